package main

import (
	"fmt"
	"net/http"
	"time"

	"github.com/gorilla/websocket"
)

// How long a control frame may take to be written: longer than the orchestrator waits.
const controlTimeout = 5 * time.Minute

type gorilla struct {
	*websocket.Conn
	response *http.Response
}

func dialGorilla(url, compression string, subprotocols []string) (client, error) {
	dialer := websocket.Dialer{Subprotocols: subprotocols}
	switch compression {
	case "off":
	case "on", "no-takeover":
		// What the library offers is always without context takeover.
		dialer.EnableCompression = true
	default:
		return nil, unsupported("its API does not choose the window")
	}
	conn, response, err := dialer.Dial(url, nil)
	if err != nil {
		return nil, err
	}
	return &gorilla{conn, response}, nil
}

func messageType(text bool) int {
	if text {
		return websocket.TextMessage
	}
	return websocket.BinaryMessage
}

func (g *gorilla) send(text bool, message []byte) error {
	return g.WriteMessage(messageType(text), message)
}

func (g *gorilla) sendFragments(text bool, pieces [][]byte) error {
	// The library collects what is written, and sends a fragment when its 4 KiB are full.
	writer, err := g.NextWriter(messageType(text))
	if err != nil {
		return err
	}
	for _, piece := range pieces {
		if _, err := writer.Write(piece); err != nil {
			return err
		}
	}
	return writer.Close()
}

func (g *gorilla) receive() (bool, []byte, error) {
	kind, message, err := g.ReadMessage()
	if end, ok := err.(*websocket.CloseError); ok {
		return false, nil, closing{end.Code, end.Text}
	}
	return kind == websocket.TextMessage, message, err
}

func (g *gorilla) ping() error {
	payload, answer := "are you there?", ""
	g.SetPongHandler(func(got string) error {
		answer = got
		return nil
	})
	if err := g.WriteControl(websocket.PingMessage, []byte(payload), time.Now().Add(controlTimeout)); err != nil {
		return err
	}
	// Pongs are handled while messages are read: a message behind the Ping comes back behind the Pong.
	if err := exchange(g, "a message behind a Ping", true, []byte("behind the Ping")); err != nil {
		return err
	}
	if answer != payload {
		return fmt.Errorf("a Pong with '%s'", answer)
	}
	return nil
}

func (g *gorilla) close(code int, reason string) closing {
	end := websocket.FormatCloseMessage(code, reason)
	// If it fails the connection has ended, and that is what receive returns.
	_ = g.WriteControl(websocket.CloseMessage, end, time.Now().Add(controlTimeout))
	for {
		if _, _, err := g.receive(); err != nil {
			if end, ok := err.(closing); ok {
				return end
			}
			return closing{websocket.CloseAbnormalClosure, err.Error()}
		}
	}
}

func (g *gorilla) extension() string   { return g.response.Header.Get("Sec-WebSocket-Extensions") }
func (g *gorilla) subprotocol() string { return g.Subprotocol() }
