//! Asking an instance how it is, over HTTP or TCP; commands are run like any other process.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// The status line is short; whoever sends more before it is no HTTP server.
const LONGEST_HEAD: usize = 1024;

/// Which of an instance's probes.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum ProbeKind {
    Startup,
    Readiness,
    Liveness,
}

/// What is asked over the network.
#[derive(Clone, Debug)]
pub(crate) enum Question {
    Http(String),
    Tcp,
}

/// Asks once. Safe to drop at any time.
pub(crate) async fn ask(
    question: Question,
    address: SocketAddr,
    timeout: Duration,
) -> Result<(), String> {
    let answer = async {
        match &question {
            Question::Tcp => connect(address).await.map(drop),
            Question::Http(path) => get(address, path).await,
        }
    };
    let what = match &question {
        Question::Tcp => format!("connection to {address}"),
        Question::Http(path) => format!("GET http://{address}{path}"),
    };
    match tokio::time::timeout(timeout, answer).await {
        Ok(result) => result.map_err(|reason| format!("{what}: {reason}")),
        Err(_elapsed) => {
            Err(format!("{what}: no answer within {}", base::format_duration(timeout)))
        }
    }
}

async fn connect(address: SocketAddr) -> Result<TcpStream, String> {
    TcpStream::connect(address).await.map_err(|error| reason(&error))
}

async fn get(address: SocketAddr, path: &str) -> Result<(), String> {
    let mut stream = connect(address).await?;
    let request = format!(
        "GET {path} HTTP/1.1\r\nHost: {address}\r\nUser-Agent: mainstay\r\nAccept: */*\r\n\
         Connection: close\r\n\r\n"
    );
    stream.write_all(request.as_bytes()).await.map_err(|error| reason(&error))?;
    let mut head = Vec::with_capacity(LONGEST_HEAD);
    while !head.contains(&b'\n') && head.len() < LONGEST_HEAD {
        let read = stream.read_buf(&mut head).await.map_err(|error| reason(&error))?;
        if read == 0 {
            break;
        }
    }
    let line = head.split(|byte| *byte == b'\n').next().unwrap_or_default();
    let line = String::from_utf8_lossy(line);
    let status = line
        .strip_prefix("HTTP/1.")
        .and_then(|rest| rest.split_ascii_whitespace().nth(1))
        .and_then(|status| status.parse::<u16>().ok());
    match status {
        Some(200..=399) => Ok(()),
        Some(status) => Err(format!("answered {status}")),
        None if head.is_empty() => Err("closed without an answer".to_owned()),
        None => Err("answered something that is not HTTP".to_owned()),
    }
}

/// The system's words without its numbers.
fn reason(error: &std::io::Error) -> String {
    match error.kind() {
        std::io::ErrorKind::ConnectionRefused => "connection refused".to_owned(),
        std::io::ErrorKind::ConnectionReset => "connection reset".to_owned(),
        _ => error.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn check(answer: &'static [u8]) -> Result<(), String> {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let mut tasks = runtime::TaskGroup::new();
        tasks.spawn("answer", async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut request = Vec::new();
            while !request.ends_with(b"\r\n\r\n") {
                stream.read_buf(&mut request).await.unwrap();
            }
            stream.write_all(answer).await.unwrap();
        });
        ask(Question::Http("/ready".to_owned()), address, Duration::from_secs(5)).await
    }

    #[tokio::test]
    async fn two_and_three_hundreds_pass_and_nothing_else() {
        assert!(check(b"HTTP/1.1 200 OK\r\n\r\n").await.is_ok());
        assert!(check(b"HTTP/1.0 302 Found\r\n\r\n").await.is_ok());
        assert!(check(b"HTTP/1.1 503 No\r\n\r\n").await.unwrap_err().contains("503"));
        assert!(check(b"SSH-2.0-OpenSSH\r\n").await.unwrap_err().contains("not HTTP"));
        assert!(check(b"").await.unwrap_err().contains("closed"));
    }

    #[tokio::test]
    async fn a_server_that_keeps_silent_fails_in_time() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let question = Question::Http("/".to_owned());
        let reason = ask(question, address, Duration::from_millis(20)).await.unwrap_err();
        assert!(reason.contains("no answer within 20ms"), "{reason}");
    }
}
