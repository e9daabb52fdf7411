//! The client of tungstenite: its side of every scenario. What it is asked and what it prints: ../../README.md.
//!
//! The library blocks, so whoever sends a lot reads in between: what is under way has a bound, lest both sides wait
//! for each other.

use std::env;
use std::fs::File;
use std::io::Read;
use std::net::TcpStream;

use tungstenite::client::IntoClientRequest;
use tungstenite::http::HeaderValue;
use tungstenite::protocol::frame::coding::{CloseCode, Data, OpCode};
use tungstenite::protocol::frame::{CloseFrame, Frame};
use tungstenite::stream::MaybeTlsStream;
use tungstenite::{connect, Message, WebSocket};

type Socket = WebSocket<MaybeTlsStream<TcpStream>>;

const PATTERN: &str = "grüße, 世界 🎈 ";
/// Messages sent before the first of them is read: 256 of up to 4 KB fit into the sockets between.
const UNDER_WAY: usize = 256;

/// The library's version: the crate does not tell, `Cargo.toml` pins it.
fn version() -> &'static str {
    let mut lines = include_str!("../Cargo.toml").lines();
    let pinned = lines
        .find_map(|line| line.strip_prefix("tungstenite = \"="))
        .unwrap_or("unknown");
    pinned.trim_end_matches('"')
}

/// How the connection ended: the Close that was received, or 1006 without one.
struct Closing {
    code: u16,
    reason: String,
}

/// Text of so many bytes: a pattern over and over, which compresses, and `x` for what is left.
fn text_of(size: usize) -> String {
    PATTERN.repeat(size / PATTERN.len()) + &"x".repeat(size % PATTERN.len())
}

fn random_bytes(size: usize) -> Vec<u8> {
    let mut bytes = vec![0; size];
    File::open("/dev/urandom")
        .and_then(|mut file| file.read_exact(&mut bytes))
        .expect("no random bytes");
    bytes
}

fn number(text: &str) -> usize {
    text.parse().expect("not a number")
}

/// The next message of either type.
fn receive(socket: &mut Socket, what: &str) -> Result<Message, String> {
    loop {
        match socket.read() {
            Ok(message @ (Message::Text(_) | Message::Binary(_))) => return Ok(message),
            Ok(Message::Close(frame)) => return Err(format!("{what}: closed with {frame:?}")),
            Ok(_) => {}
            Err(error) => return Err(format!("{what}: {error}")),
        }
    }
}

fn expect(socket: &mut Socket, what: &str, sent: &Message) -> Result<(), String> {
    let received = receive(socket, what)?;
    if received.is_text() != sent.is_text() {
        return Err(format!("{what}: came back as the other type"));
    }
    if received != *sent {
        return Err(format!("{what}: {} other bytes came back", received.len()));
    }
    Ok(())
}

fn send(socket: &mut Socket, what: &str, message: Message) -> Result<(), String> {
    socket
        .send(message)
        .map_err(|error| format!("{what}: {error}"))
}

fn exchange(socket: &mut Socket, what: &str, message: Message) -> Result<(), String> {
    send(socket, what, message.clone())?;
    expect(socket, what, &message)
}

fn echo(socket: &mut Socket, sizes: &[String]) -> Result<(), String> {
    for size in sizes {
        let random = Message::binary(random_bytes(number(size)));
        exchange(socket, &format!("binary of {size} bytes"), random)?;
        exchange(
            socket,
            &format!("text of {size} bytes"),
            Message::text(text_of(number(size))),
        )?;
    }
    Ok(())
}

fn repeats(socket: &mut Socket) -> Result<(), String> {
    // 20,000: more than half of the largest window, so that each smaller one must not reach back so far.
    let block = random_bytes(20_000);
    for message in [
        Message::text(text_of(126)),
        Message::text(text_of(126)),
        Message::binary(block.repeat(2)),
        Message::binary(block),
        Message::binary(Vec::new()),
        Message::text(text_of(1 << 20)),
    ] {
        exchange(
            socket,
            &format!("a repetition of {} bytes", message.len()),
            message,
        )?;
    }
    Ok(())
}

fn flood(socket: &mut Socket, count: usize) -> Result<(), String> {
    let messages: Vec<Message> = (0..count)
        .map(|i| match i % 2 {
            0 => Message::text(format!("{i} {}", text_of(i * 37 % 4000))),
            _ => Message::binary(random_bytes(i * 41 % 4000)),
        })
        .collect();
    for i in 0..count + UNDER_WAY {
        if let Some(message) = messages.get(i) {
            send(socket, &format!("message {i}"), message.clone())?;
        }
        if i >= UNDER_WAY {
            let at = i - UNDER_WAY;
            expect(socket, &format!("message {at}"), &messages[at])?;
        }
    }
    Ok(())
}

fn stream(socket: &mut Socket, size: usize) -> Result<(), String> {
    let sent = random_bytes(size);
    let mut received = Vec::with_capacity(size);
    // 60,000: not a divisor of anything, so that messages and the peer's reads end at different places.
    let mut at = 0;
    while received.len() < size {
        let what = format!("after {} bytes", received.len());
        if at < size && at - received.len() < 240_000 {
            let end = size.min(at + 60_000);
            send(socket, &what, Message::binary(sent[at..end].to_vec()))?;
            at = end;
        } else {
            match receive(socket, &what)? {
                Message::Binary(bytes) => received.extend_from_slice(&bytes),
                _ => return Err(format!("{what}: a text message")),
            }
        }
    }
    if received != sent {
        return Err(format!("{} other bytes came back", received.len()));
    }
    Ok(())
}

fn fragments(socket: &mut Socket) -> Result<(), String> {
    let text = text_of(20_000);
    let binary = random_bytes(20_000);
    for (kind, bytes, whole) in [
        (Data::Text, text.clone().into_bytes(), Message::text(text)),
        (Data::Binary, binary.clone(), Message::binary(binary)),
    ] {
        // 1,001 bytes: cuts through characters.
        let pieces: Vec<&[u8]> = bytes.chunks(1001).collect();
        for (i, piece) in pieces.iter().enumerate() {
            let opcode = OpCode::Data(if i == 0 { kind } else { Data::Continue });
            let frame = Frame::message(piece.to_vec(), opcode, i + 1 == pieces.len());
            send(socket, "a fragment", Message::Frame(frame))?;
        }
        expect(socket, "a fragmented message", &whole)?;
    }
    Ok(())
}

fn ping(socket: &mut Socket) -> Result<(), String> {
    send(socket, "a Ping", Message::Ping("are you there?".into()))?;
    match socket.read() {
        Ok(Message::Pong(payload)) if payload == "are you there?".as_bytes() => Ok(()),
        other => Err(format!("instead of its Pong: {other:?}")),
    }
}

/// Reads to the connection's end.
fn ending(socket: &mut Socket) -> Closing {
    let mut closing = Closing {
        code: 1006,
        reason: String::new(),
    };
    loop {
        match socket.read() {
            Ok(Message::Close(Some(CloseFrame { code, reason }))) => {
                closing = Closing {
                    code: code.into(),
                    reason: reason.to_string(),
                };
            }
            Ok(Message::Close(None)) => closing.code = 1005,
            Ok(_) => {}
            Err(_) => return closing,
        }
    }
}

fn close(socket: &mut Socket, code: u16, reason: &str) -> Closing {
    // If it fails the connection has ended, and that is what is reported.
    let _ = socket.close(Some(CloseFrame {
        code: CloseCode::from(code),
        reason: reason.into(),
    }));
    ending(socket)
}

/// Plays a scenario and returns how the connection ended.
fn run(socket: &mut Socket, command: &str, args: &[String]) -> (Closing, Option<String>) {
    let done = match command {
        "echo" => echo(socket, args),
        "repeats" => repeats(socket),
        "flood" => flood(socket, number(&args[0])),
        "stream" => stream(socket, number(&args[0])),
        "close" => {
            let before = exchange(
                socket,
                "a message before the end",
                Message::text("before the end"),
            );
            if before.is_ok() {
                return (close(socket, number(&args[0]) as u16, &args[1]), None);
            }
            before
        }
        "wait" => {
            // A send that fails, fails because the connection ends; how it does is what is reported.
            let _ = socket.send(Message::binary(random_bytes(number(&args[0]))));
            return (ending(socket), None);
        }
        "subprotocol" => exchange(socket, "a message", Message::text("under a subprotocol")),
        "fragments" => fragments(socket),
        "ping" => ping(socket),
        other => Err(format!("no command '{other}'")),
    };
    (close(socket, 1000, "done"), done.err())
}

/// The text as a JSON string; Rust's escapes of what is not printable are others than JSON's, so it is plain here.
fn quote(text: &str) -> String {
    let plain: String = text
        .chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect();
    format!("\"{}\"", plain.replace('\\', "\\\\").replace('"', "\\\""))
}

fn answer(args: &[String]) -> String {
    if args[0] == "version" {
        return format!("{{\"version\":{}}}", quote(version()));
    }
    let (command, url, compression, rest) = (&args[0], &args[1], &args[2], &args[3..]);
    if compression != "off" {
        return format!("{{\"unsupported\":{}}}", quote("it has no compression"));
    }
    let mut request = url.as_str().into_client_request().expect("no URL");
    if command == "subprotocol" {
        let offer = HeaderValue::from_str(&rest.join(", ")).expect("no subprotocols");
        request
            .headers_mut()
            .insert("Sec-WebSocket-Protocol", offer);
    }
    let (mut socket, response) = match connect(request) {
        Ok(open) => open,
        Err(error) => return format!("{{\"error\":{}}}", quote(&error.to_string())),
    };
    let header = |name| {
        quote(
            response
                .headers()
                .get(name)
                .and_then(|value| value.to_str().ok())
                .unwrap_or(""),
        )
    };
    let (closing, error) = run(&mut socket, command, rest);
    let mut fields = vec![
        format!("\"extension\":{}", header("Sec-WebSocket-Extensions")),
        format!("\"subprotocol\":{}", header("Sec-WebSocket-Protocol")),
        format!("\"code\":{}", closing.code),
        format!("\"reason\":{}", quote(&closing.reason)),
    ];
    fields.extend(error.map(|error| format!("\"error\":{}", quote(&error))));
    format!("{{{}}}", fields.join(","))
}

fn main() {
    let args: Vec<String> = env::args().skip(1).collect();
    println!("{}", answer(&args));
}
