package main

import (
	"context"
	"errors"
	"net/http"

	"github.com/coder/websocket"
)

type coder struct {
	*websocket.Conn
	response *http.Response
	// The library tells only whether the code of its own Close came back.
	end *closing
}

func dialCoder(url, compression string, subprotocols []string) (client, error) {
	options := websocket.DialOptions{Subprotocols: subprotocols, CompressionThreshold: 1}
	switch compression {
	case "off":
		options.CompressionMode = websocket.CompressionDisabled
	case "on":
		options.CompressionMode = websocket.CompressionContextTakeover
	case "no-takeover":
		options.CompressionMode = websocket.CompressionNoContextTakeover
	default:
		return nil, unsupported("its API does not choose the window")
	}
	conn, response, err := websocket.Dial(context.Background(), url, &options)
	if err != nil {
		return nil, err
	}
	conn.SetReadLimit(-1)
	return &coder{Conn: conn, response: response}, nil
}

func coderType(text bool) websocket.MessageType {
	if text {
		return websocket.MessageText
	}
	return websocket.MessageBinary
}

func (c *coder) send(text bool, message []byte) error {
	return c.Write(context.Background(), coderType(text), message)
}

func (c *coder) sendFragments(text bool, pieces [][]byte) error {
	writer, err := c.Writer(context.Background(), coderType(text))
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

func (c *coder) receive() (bool, []byte, error) {
	kind, message, err := c.Read(context.Background())
	var end websocket.CloseError
	if errors.As(err, &end) {
		c.end = &closing{int(end.Code), end.Reason}
		return false, nil, *c.end
	}
	return kind == websocket.MessageText, message, err
}

func (c *coder) ping() error {
	// Pongs are handled while something reads.
	read := make(chan error, 1)
	go func() {
		read <- expect(c, "a message behind a Ping", true, []byte("behind the Ping"))
	}()
	if err := c.Ping(context.Background()); err != nil {
		return err
	}
	if err := c.send(true, []byte("behind the Ping")); err != nil {
		return err
	}
	return <-read
}

func (c *coder) close(code int, reason string) closing {
	err := c.Close(websocket.StatusCode(code), reason)
	var other websocket.CloseError
	switch {
	case c.end != nil:
		return *c.end // it had ended before
	case err == nil:
		return closing{code, ""}
	case errors.As(err, &other):
		return closing{int(other.Code), other.Reason}
	default:
		return closing{1006, err.Error()}
	}
}

func (c *coder) extension() string   { return c.response.Header.Get("Sec-WebSocket-Extensions") }
func (c *coder) subprotocol() string { return c.Subprotocol() }
