// Reads what nhictl issued and published, with go-spiffe, and answers each question as one line of JSON.
//
// The command line is a question and its files: `bundle BUNDLE`, `x509 BUNDLE LEAF`, `pair LEAF KEY`,
// `jwt BUNDLE TOKEN AUDIENCE`, `tls BUNDLE CLIENT-LEAF CLIENT-KEY SERVER-LEAF SERVER-KEY EXPECTED-SERVER-ID`.
package main

import (
	"bytes"
	"crypto/tls"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"net"
	"os"
	"sort"
	"time"

	"github.com/spiffe/go-spiffe/v2/bundle/spiffebundle"
	"github.com/spiffe/go-spiffe/v2/spiffeid"
	"github.com/spiffe/go-spiffe/v2/spiffetls/tlsconfig"
	"github.com/spiffe/go-spiffe/v2/svid/jwtsvid"
	"github.com/spiffe/go-spiffe/v2/svid/x509svid"
)

var domain = spiffeid.RequireTrustDomainFromString("example.org")

func main() {
	answer, err := ask(os.Args[1], os.Args[2:])
	if err != nil {
		answer = map[string]any{"error": err.Error()}
	}
	line, err := json.Marshal(answer)
	if err != nil {
		panic(err)
	}
	fmt.Println(string(line))
}

func ask(question string, files []string) (map[string]any, error) {
	if question == "pair" {
		svid, err := x509svid.Load(files[0], files[1])
		if err != nil {
			return nil, err
		}
		return map[string]any{"id": svid.ID.String()}, nil
	}
	bundle, err := spiffebundle.Load(domain, files[0])
	if err != nil {
		return nil, fmt.Errorf("bundle: %w", err)
	}
	switch question {
	case "bundle":
		return describe(bundle), nil
	case "x509":
		return verify(bundle, files[1])
	case "jwt":
		token, err := os.ReadFile(files[1])
		if err != nil {
			return nil, err
		}
		svid, err := jwtsvid.ParseAndValidate(string(bytes.TrimSpace(token)), bundle, []string{files[2]})
		if err != nil {
			return nil, err
		}
		return map[string]any{"id": svid.ID.String(), "audience": svid.Audience}, nil
	case "tls":
		return shake(bundle, files[1:])
	}
	return nil, errors.New("no such question")
}

func describe(bundle *spiffebundle.Bundle) map[string]any {
	sequence, _ := bundle.SequenceNumber()
	hint, _ := bundle.RefreshHint()
	kids := []string{}
	for kid := range bundle.JWTAuthorities() {
		kids = append(kids, kid)
	}
	sort.Strings(kids)
	return map[string]any{
		"sequence": sequence, "hint": hint / time.Second, "jwt": kids, "x509": len(bundle.X509Authorities()),
	}
}

func verify(bundle *spiffebundle.Bundle, leaf string) (map[string]any, error) {
	text, err := os.ReadFile(leaf)
	if err != nil {
		return nil, err
	}
	block, _ := pem.Decode(text)
	if block == nil {
		return nil, errors.New("no PEM")
	}
	id, chains, err := x509svid.ParseAndVerify([][]byte{block.Bytes}, bundle)
	if err != nil {
		return nil, err
	}
	return map[string]any{"id": id.String(), "chains": len(chains), "length": len(chains[0])}, nil
}

// shake makes a mutual handshake between two agents over a pipe and tells whom each of them sees.
func shake(bundle *spiffebundle.Bundle, files []string) (map[string]any, error) {
	client, err := x509svid.Load(files[0], files[1])
	if err != nil {
		return nil, err
	}
	server, err := x509svid.Load(files[2], files[3])
	if err != nil {
		return nil, err
	}
	expected, err := spiffeid.FromString(files[4])
	if err != nil {
		return nil, err
	}
	one, two, err := connected()
	if err != nil {
		return nil, err
	}
	asking := tls.Client(one, tlsconfig.MTLSClientConfig(client, bundle, tlsconfig.AuthorizeID(expected)))
	serving := tls.Server(two, tlsconfig.MTLSServerConfig(server, bundle, tlsconfig.AuthorizeMemberOf(domain)))
	done := make(chan error, 1)
	go func() {
		err := serving.Handshake()
		if err != nil {
			_ = two.Close()
		}
		done <- err
	}()
	if err := asking.Handshake(); err != nil {
		_ = one.Close()
		return nil, fmt.Errorf("client: %w", err)
	}
	if err := <-done; err != nil {
		return nil, fmt.Errorf("server: %w", err)
	}
	return map[string]any{
		"server": asking.ConnectionState().PeerCertificates[0].URIs[0].String(),
		"client": serving.ConnectionState().PeerCertificates[0].URIs[0].String(),
	}, nil
}

// connected gives both ends of a connection. A pipe has no buffer, and an alert that nobody reads would stop its sender.
func connected() (net.Conn, net.Conn, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, nil, err
	}
	defer listener.Close()
	one, err := net.Dial("tcp", listener.Addr().String())
	if err != nil {
		return nil, nil, err
	}
	two, err := listener.Accept()
	if err != nil {
		return nil, nil, err
	}
	deadline := time.Now().Add(20 * time.Second)
	_ = one.SetDeadline(deadline)
	_ = two.SetDeadline(deadline)
	return one, two, nil
}
