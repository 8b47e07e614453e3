module nhictl.example/tests/interop/go_note

go 1.21

require golang.org/x/mod v0.17.0
