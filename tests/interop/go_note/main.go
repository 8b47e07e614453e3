// Asks golang.org/x/mod's readers of signed notes and of transparency logs about what they are given on standard input.
package main

import (
	"encoding/json"
	"fmt"
	"os"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

type proof struct {
	Old, Size, Index int64
	Leaf, Before     []byte
	Root             []byte
	Path             [][]byte
}

func hash(raw []byte) (h tlog.Hash) {
	copy(h[:], raw)
	return h
}

func hashes(raw [][]byte) []tlog.Hash {
	made := make([]tlog.Hash, len(raw))
	for i, each := range raw {
		made[i] = hash(each)
	}
	return made
}

func word(err error) string {
	if err != nil {
		return err.Error()
	}
	return "ok"
}

func main() {
	var asked struct {
		Notes []struct{ Key, Note string }
		In    []proof
		Grown []proof
	}
	if err := json.NewDecoder(os.Stdin).Decode(&asked); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(2)
	}
	var said struct{ Notes, In, Grown []string }
	for _, each := range asked.Notes {
		verifier, err := note.NewVerifier(each.Key)
		if err == nil {
			var opened *note.Note
			opened, err = note.Open([]byte(each.Note), note.VerifierList(verifier))
			if err == nil {
				said.Notes = append(said.Notes, opened.Text)
				continue
			}
		}
		said.Notes = append(said.Notes, "no: "+word(err))
	}
	for _, each := range asked.In {
		err := tlog.CheckRecord(hashes(each.Path), each.Size, hash(each.Root), each.Index, hash(each.Leaf))
		said.In = append(said.In, word(err))
	}
	for _, each := range asked.Grown {
		err := tlog.CheckTree(hashes(each.Path), each.Size, hash(each.Root), each.Old, hash(each.Before))
		said.Grown = append(said.Grown, word(err))
	}
	json.NewEncoder(os.Stdout).Encode(said)
}
