//! What the agent stands between: pushers that know which connection they pushed on, and an upstream that
//! keeps what it took, request by request. Both so small that what is on the wire is seen here.

use pmm_buffer::harness::{Rng, pack};
use pmm_buffer::model::{Push, PushBuilder, Sample, Span};
use pmm_buffer::wire;
use std::collections::HashMap;
use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};

/// Pushes of each pusher, in the order it sends them.
pub type Load = Vec<Vec<Push>>;

/// A pusher, and which of its pushes.
pub type PushId = (usize, usize);

/// Push `number` of a pusher. One series is in all of them and shows their order. Another is in this one
/// alone: a label section of some KiB that hardly packs fills segments and write buffers with few pushes; now
/// and then it is larger than three blocks of RocksDB's log.
pub fn push((pusher, number): PushId) -> Push {
    let mut rng = Rng::new((pusher as u64) << 32 | number as u64);
    let size = if rng.chance(4) { 100_000 + rng.below(50_000) } else { 1 + rng.below(16_000) };
    let noise: Vec<u8> = (0..size).map(|_| b' ' + rng.below(64) as u8).collect();
    let name = format!("pusher_{pusher}");
    let mut builder = PushBuilder::default();
    let order = builder.store_with(|out| wire::append_label(out, b"__name__", name.as_bytes()));
    for part in 0..1 + rng.below(4) as usize {
        let value = f64::from_bits(rng.bits());
        builder.sample(Sample { value, timestamp: (number * 10 + part) as i64 });
    }
    builder.series(order, Span::default());
    let once = builder.store_with(|out| {
        wire::append_label(out, b"__name__", name.as_bytes());
        // The agent takes 64 KiB in a value.
        for (number, noise) in noise.chunks(50_000).enumerate() {
            wire::append_label(out, format!("noise_{number}").as_bytes(), noise);
        }
        wire::append_label(out, b"number", number.to_string().as_bytes());
    });
    builder.sample(Sample { value: number as f64, timestamp: number as i64 });
    builder.series(once, Span::default());
    builder.finish()
}

/// Which pushes were sent on the connection from a port, in order. Each is answered before the next is sent,
/// so the n-th answer on a connection is that to its n-th push.
pub type Sent = Arc<Mutex<HashMap<u16, Vec<PushId>>>>;

/// Sends some of a pusher's pushes, one after the other. Anything but success is an error.
pub async fn send(
    agent: SocketAddr,
    pushes: impl Iterator<Item = (PushId, Push)>,
    sent: Sent,
) -> io::Result<()> {
    let mut stream = BufReader::new(TcpStream::connect(agent).await?);
    let port = stream.get_ref().local_addr()?.port();
    for (id, push) in pushes {
        sent.lock().expect("nobody panicked").entry(port).or_default().push(id);
        let body = pack(&push);
        let head = format!(
            "POST /api/v1/write HTTP/1.1\r\nhost: agent\r\ncontent-type: application/x-protobuf\r\n\
             content-encoding: snappy\r\nx-prometheus-remote-write-version: 0.1.0\r\n\
             content-length: {}\r\n\r\n",
            body.len()
        );
        stream.write_all(&[head.as_bytes(), &body].concat()).await?;
        let (head, body) = read(&mut stream).await?.ok_or(io::ErrorKind::UnexpectedEof)?;
        if !head.starts_with("HTTP/1.1 204 ") {
            return Err(io::Error::other(format!("{head}{}", String::from_utf8_lossy(&body))));
        }
    }
    Ok(())
}

/// What the upstream took, request by request, and whether it takes more.
#[derive(Default)]
pub struct Upstream {
    pub is_down: AtomicBool,
    taken: Mutex<Vec<Push>>,
}

impl Upstream {
    /// Starts one that takes everything; returns it with its URL.
    pub async fn start() -> io::Result<(Arc<Self>, String)> {
        let upstream = Arc::<Self>::default();
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let url = format!("http://{}/victoriametrics/api/v1/write", listener.local_addr()?);
        let serving = upstream.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                // A connection ends with the agent; its error is the agent's to notice.
                tokio::spawn(serving.clone().serve(BufReader::new(stream)));
            }
        });
        Ok((upstream, url))
    }

    async fn serve(self: Arc<Self>, mut stream: BufReader<TcpStream>) -> io::Result<()> {
        while let Some((head, body)) = read(&mut stream).await? {
            if self.is_down.load(Ordering::SeqCst) {
                stream.write_all(b"HTTP/1.1 503 Service Unavailable\r\ncontent-length: 0\r\n\r\n").await?;
                continue;
            }
            let body = match field(&head, "content-encoding") {
                Some("zstd") => zstd::decode_all(&body[..])?,
                _ => snap::raw::Decoder::new().decompress_vec(&body)?,
            };
            let push = wire::decode(body).map_err(io::Error::other)?;
            self.taken.lock().expect("nobody panicked").push(push);
            stream.write_all(b"HTTP/1.1 204 No Content\r\n\r\n").await?;
        }
        Ok(())
    }

    /// What was taken, in order.
    pub fn taken(&self) -> Vec<Push> {
        self.taken.lock().expect("nobody panicked").clone()
    }
}

/// Reads head and body of a message; none at the end of the connection.
async fn read(stream: &mut BufReader<TcpStream>) -> io::Result<Option<(String, Vec<u8>)>> {
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        if stream.read_line(&mut head).await? == 0 {
            return Ok(None);
        }
    }
    let length = field(&head, "content-length").map_or(Ok(0), str::parse).map_err(io::Error::other)?;
    let mut body = vec![0; length];
    stream.read_exact(&mut body).await?;
    Ok(Some((head, body)))
}

fn field<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    let fields = head.lines().filter_map(|line| line.split_once(':'));
    fields.into_iter().find(|(field, _)| field.eq_ignore_ascii_case(name)).map(|(_, value)| value.trim())
}
