// The clients of gorilla/websocket and coder/websocket: their side of every scenario, which is the same for both.
// What the program is asked and what it prints: ../README.md.
package main

import (
	"bytes"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"os"
	"runtime"
	"runtime/debug"
	"strconv"
	"strings"
)

// A closing is how the connection ended: the Close frame that was received, or 1006 without one.
type closing struct {
	code   int
	reason string
}

func (c closing) Error() string { return fmt.Sprintf("closed with %d '%s'", c.code, c.reason) }

// A client is an open connection of one of the libraries.
type client interface {
	send(text bool, message []byte) error
	// sendFragments sends the pieces as the fragments of one message.
	sendFragments(text bool, pieces [][]byte) error
	// receive returns the next message, or the connection's end as a closing.
	receive() (text bool, message []byte, err error)
	// ping sends a Ping and returns when its Pong is there.
	ping() error
	// close sends a Close and returns how the connection ended.
	close(code int, reason string) closing
	extension() string
	subprotocol() string
}

type result struct {
	Version     string `json:"version,omitempty"`
	Error       string `json:"error,omitempty"`
	Unsupported string `json:"unsupported,omitempty"`
	Extension   string `json:"extension"`
	Subprotocol string `json:"subprotocol"`
	Code        int    `json:"code,omitempty"`
	Reason      string `json:"reason"`
}

// An unsupported is something that the library cannot do.
type unsupported string

func (u unsupported) Error() string { return string(u) }

const pattern = "grüße, 世界 🎈 "

// textOf is text of so many bytes: a pattern over and over, which compresses, and `x` for what is left.
func textOf(size int) []byte {
	return []byte(strings.Repeat(pattern, size/len(pattern)) + strings.Repeat("x", size%len(pattern)))
}

func randomBytes(size int) []byte {
	random := make([]byte, size)
	rand.Read(random)
	return random
}

func number(text string) int {
	value, err := strconv.Atoi(text)
	if err != nil {
		panic(err)
	}
	return value
}

// expect receives a message and compares it with what was sent.
func expect(c client, what string, text bool, sent []byte) error {
	gotText, got, err := c.receive()
	switch {
	case err != nil:
		return fmt.Errorf("%s: %w", what, err)
	case gotText != text:
		return fmt.Errorf("%s: came back as the other type", what)
	case !bytes.Equal(got, sent):
		return fmt.Errorf("%s: %d other bytes came back", what, len(got))
	}
	return nil
}

func exchange(c client, what string, text bool, message []byte) error {
	if err := c.send(text, message); err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	return expect(c, what, text, message)
}

func echo(c client, sizes []string) error {
	for _, size := range sizes {
		if err := exchange(c, "binary of "+size+" bytes", false, randomBytes(number(size))); err != nil {
			return err
		}
		if err := exchange(c, "text of "+size+" bytes", true, textOf(number(size))); err != nil {
			return err
		}
	}
	return nil
}

func repeats(c client) error {
	// 20,000: more than half of the largest window, so that each smaller one must not reach back so far.
	block := randomBytes(20_000)
	for _, message := range []struct {
		text  bool
		bytes []byte
	}{
		{true, textOf(126)},
		{true, textOf(126)},
		{false, bytes.Repeat(block, 2)},
		{false, block},
		{false, nil},
		{true, textOf(1 << 20)},
	} {
		what := fmt.Sprintf("a repetition of %d bytes", len(message.bytes))
		if err := exchange(c, what, message.text, message.bytes); err != nil {
			return err
		}
	}
	return nil
}

func flood(c client, count int) error {
	messages := make([][]byte, count)
	isText := func(i int) bool { return i%2 == 0 }
	for i := range messages {
		if isText(i) {
			messages[i] = append([]byte(strconv.Itoa(i)+" "), textOf(i*37%4000)...)
		} else {
			messages[i] = randomBytes(i * 41 % 4000)
		}
	}
	sent := make(chan error, 1)
	go func() {
		for i, message := range messages {
			if err := c.send(isText(i), message); err != nil {
				sent <- err
				return
			}
		}
		sent <- nil
	}()
	for i, message := range messages {
		if err := expect(c, fmt.Sprintf("message %d", i), isText(i), message); err != nil {
			return err
		}
	}
	return <-sent
}

func stream(c client, size int) error {
	all := randomBytes(size)
	sent := make(chan error, 1)
	go func() {
		// 60,000: not a divisor of anything, so that messages and the peer's reads end at different places.
		for at := 0; at < size; at += 60_000 {
			if err := c.send(false, all[at:min(at+60_000, size)]); err != nil {
				sent <- err
				return
			}
		}
		sent <- nil
	}()
	received := make([]byte, 0, size)
	for len(received) < size {
		text, message, err := c.receive()
		if err != nil {
			return fmt.Errorf("after %d bytes: %w", len(received), err)
		}
		if text {
			return fmt.Errorf("after %d bytes: a text message", len(received))
		}
		received = append(received, message...)
	}
	if !bytes.Equal(received, all) {
		return fmt.Errorf("%d other bytes came back", len(received))
	}
	return <-sent
}

func fragments(c client) error {
	for _, text := range []bool{true, false} {
		message := randomBytes(20_000)
		if text {
			message = textOf(20_000)
		}
		var pieces [][]byte
		// 1,001 bytes: cuts through characters.
		for at := 0; at < len(message); at += 1001 {
			pieces = append(pieces, message[at:min(at+1001, len(message))])
		}
		if err := c.sendFragments(text, pieces); err != nil {
			return err
		}
		if err := expect(c, "a fragmented message", text, message); err != nil {
			return err
		}
	}
	return nil
}

// run plays a scenario and returns how the connection ended.
func run(c client, command string, args []string) (closing, error) {
	var err error
	switch command {
	case "echo":
		err = echo(c, args)
	case "repeats":
		err = repeats(c)
	case "flood":
		err = flood(c, number(args[0]))
	case "stream":
		err = stream(c, number(args[0]))
	case "close":
		if err = exchange(c, "a message before the end", true, []byte("before the end")); err == nil {
			return c.close(number(args[0]), args[1]), nil
		}
	case "wait":
		// A send that fails, fails because the connection ends; how it does is what receive returns.
		_ = c.send(false, randomBytes(number(args[0])))
		for {
			if _, _, err := c.receive(); err != nil {
				if end, ok := err.(closing); ok {
					return end, nil
				}
				return closing{}, err
			}
		}
	case "subprotocol":
		err = exchange(c, "a message", true, []byte("under a subprotocol"))
	case "fragments":
		err = fragments(c)
	case "ping":
		err = c.ping()
	default:
		err = fmt.Errorf("no command '%s'", command)
	}
	return c.close(1000, "done"), err
}

// version is that of the library in this program.
func version(path string) string {
	info, _ := debug.ReadBuildInfo()
	for _, module := range info.Deps {
		if module.Path == path {
			return fmt.Sprintf("%s (%s)", strings.TrimPrefix(module.Version, "v"), runtime.Version())
		}
	}
	return "unknown"
}

func main() {
	library, command := os.Args[1], os.Args[2]
	json.NewEncoder(os.Stdout).Encode(answer(library, command, os.Args[3:]))
}

func answer(library, command string, rest []string) result {
	if command == "version" {
		return result{Version: version("github.com/" + library + "/websocket")}
	}
	url, compression, args := rest[0], rest[1], rest[2:]
	var subprotocols []string
	if command == "subprotocol" {
		subprotocols = args
	}
	open := map[string]func(string, string, []string) (client, error){"gorilla": dialGorilla, "coder": dialCoder}[library]
	c, err := open(url, compression, subprotocols)
	if reason, ok := err.(unsupported); ok {
		return result{Unsupported: string(reason)}
	}
	if err != nil {
		return result{Error: err.Error()}
	}
	end, err := run(c, command, args)
	answer := result{Extension: c.extension(), Subprotocol: c.subprotocol(), Code: end.code, Reason: end.reason}
	if err != nil {
		answer.Error = err.Error()
	}
	return answer
}
