//! A server on this machine that plays a chat-completions endpoint, on good days and on bad ones.

#![allow(dead_code, reason = "each test uses its part")]

use serde_json::{Value, json};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// A request that arrived.
#[derive(Clone, Debug)]
pub struct Request {
    pub path: String,
    pub key: Option<String>,
    pub body: Value,
    /// Requests before this one.
    pub before: usize,
}

impl Request {
    /// All that was said in it.
    pub fn text(&self) -> String {
        let messages = self.body["messages"].as_array().cloned().unwrap_or_default();
        messages.iter().filter_map(|m| m["content"].as_str()).collect::<Vec<_>>().join("\n")
    }
}

/// What comes back.
#[derive(Clone, Debug)]
pub enum Answer {
    /// A completion with these words.
    Says(String),
    /// Status, headers, body.
    Plain(u16, Vec<(&'static str, String)>, String),
    /// The same after a pause.
    Late(Duration, Box<Answer>),
    /// The connection is closed without a word.
    HangUp,
}

pub fn says(text: &str) -> Answer {
    Answer::Says(text.to_owned())
}

pub fn status(status: u16, body: &str) -> Answer {
    Answer::Plain(status, Vec::new(), body.to_owned())
}

/// The endpoint.
pub struct Server {
    pub url: String,
    pub port: u16,
    log: Arc<Mutex<Vec<Request>>>,
}

impl Server {
    pub fn new(answer: impl Fn(&Request) -> Answer + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let log: Arc<Mutex<Vec<Request>>> = Arc::default();
        let (answer, kept) = (Arc::new(answer), Arc::clone(&log));
        start(move || {
            for stream in listener.incoming().flatten() {
                let (answer, log) = (Arc::clone(&answer), Arc::clone(&kept));
                // A client that hangs up is no concern of the endpoint.
                start(move || drop(serve(&stream, &*answer, &log)));
            }
        });
        Self { url: format!("http://127.0.0.1:{port}/v1"), port, log }
    }

    /// The requests so far.
    pub fn requests(&self) -> Vec<Request> {
        self.log.lock().unwrap().clone()
    }
}

fn start(work: impl FnOnce() + Send + 'static) {
    std::thread::Builder::new().name("endpoint".to_owned()).spawn(work).unwrap();
}

fn serve(
    stream: &TcpStream,
    answer: &dyn Fn(&Request) -> Answer,
    log: &Mutex<Vec<Request>>,
) -> std::io::Result<()> {
    let mut reader = BufReader::new(stream);
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line)? == 0 {
            return Ok(());
        }
        let path = line.split(' ').nth(1).unwrap_or_default().to_owned();
        let (mut length, mut key) = (0, None);
        loop {
            let mut header = String::new();
            reader.read_line(&mut header)?;
            let Some((name, value)) = header.trim().split_once(':') else { break };
            match name.to_ascii_lowercase().as_str() {
                "content-length" => length = value.trim().parse().unwrap(),
                "authorization" => key = Some(value.trim().to_owned()),
                _ => {}
            }
        }
        let mut body = vec![0; length];
        reader.read_exact(&mut body)?;
        let request = {
            let mut log = log.lock().unwrap();
            let body = serde_json::from_slice(&body).unwrap_or_default();
            let request = Request { path, key, body, before: log.len() };
            log.push(request.clone());
            request
        };
        if !send(stream, answer(&request))? {
            return Ok(());
        }
    }
}

fn send(mut stream: &TcpStream, answer: Answer) -> std::io::Result<bool> {
    match answer {
        Answer::HangUp => Ok(false),
        Answer::Late(pause, answer) => {
            std::thread::sleep(pause);
            send(stream, *answer)
        }
        Answer::Says(text) => {
            let body = json!({
                "choices": [{ "message": { "role": "assistant", "content": text }, "finish_reason": "stop" }],
                "usage": { "prompt_tokens": 100, "completion_tokens": 10 },
            });
            send(stream, Answer::Plain(200, Vec::new(), body.to_string()))
        }
        Answer::Plain(status, headers, body) => {
            let mut head = format!("HTTP/1.1 {status} Some\r\nContent-Length: {}\r\n", body.len());
            for (name, value) in headers {
                head.push_str(&format!("{name}: {value}\r\n"));
            }
            stream.write_all(format!("{head}\r\n{body}").as_bytes())?;
            Ok(true)
        }
    }
}
