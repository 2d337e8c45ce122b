//! A token server of OAuth 2: the client credentials grant, and nothing else.

use super::gate::Gate;
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::header::AUTHORIZATION;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use std::convert::Infallible;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::net::TcpStream;

/// What it expects and gives.
#[derive(Debug, Clone)]
pub struct Grants {
    /// The whole `Authorization` of a client it knows.
    pub authorization: String,
    /// What has to be in the body, in the form's encoding. A body with all of it needs no `Authorization`.
    pub body: Vec<String>,
    /// `expires_in`, in seconds; none is not said.
    pub expires_in: Option<u64>,
}

/// A token server on a port of 127.0.0.1 of its own. Its tokens are `token-1`, `token-2`, …
#[derive(Debug)]
pub struct TokenServer {
    gate: Gate,
    shared: Arc<Mutex<State>>,
}

#[derive(Debug)]
struct State {
    grants: Grants,
    issued: u64,
    bodies: Vec<String>,
}

impl TokenServer {
    /// One that is open. Must be called within a runtime.
    pub fn start(grants: Grants) -> io::Result<Self> {
        let state = State { grants, issued: 0, bodies: Vec::new() };
        let mut server = Self { gate: Gate::new()?, shared: Arc::new(Mutex::new(state)) };
        server.open()?;
        Ok(server)
    }

    pub fn url(&self) -> String {
        format!("http://{}/token", self.gate.address())
    }

    /// Refuses connections from now on.
    pub async fn close(&mut self) {
        self.gate.close().await;
    }

    /// Comes back on the same port. Must be called on a closed server, within a runtime.
    pub fn open(&mut self) -> io::Result<()> {
        let shared = self.shared.clone();
        self.gate.open(move |stream| connection(stream, shared.clone()))
    }

    pub fn set_grants(&self, grants: Grants) {
        state(&self.shared).grants = grants;
    }

    /// Tokens given out so far.
    pub fn issued(&self) -> u64 {
        state(&self.shared).issued
    }

    /// The bodies of all requests, the oldest first.
    pub fn bodies(&self) -> Vec<String> {
        state(&self.shared).bodies.clone()
    }
}

fn state(shared: &Mutex<State>) -> MutexGuard<'_, State> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn connection(stream: TcpStream, shared: Arc<Mutex<State>>) {
    let service = service_fn(move |request| serve(shared.clone(), request));
    // How it ends is told to the client.
    let _ = http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
}

async fn serve(
    shared: Arc<Mutex<State>>,
    request: Request<Incoming>,
) -> Result<Response<Full<Bytes>>, Infallible> {
    let (head, body) = request.into_parts();
    let body = body.collect().await.map(|body| body.to_bytes()).unwrap_or_default();
    let body = String::from_utf8_lossy(&body).into_owned();
    let given = head.headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let mut state = state(&shared);
    let State { grants, .. } = &*state;
    let is_known = given == grants.authorization
        || !grants.body.is_empty()
            && grants.body.iter().all(|part| body.split('&').any(|field| field == part));
    let expires_in = grants.expires_in;
    state.bodies.push(body);
    if !is_known {
        // What a careless server says.
        return Ok(answer(
            401,
            format!(r#"{{"error":"invalid_client","error_description":"you sent {given}"}}"#),
        ));
    }
    state.issued += 1;
    let life = expires_in.map_or(String::new(), |seconds| format!(r#","expires_in":{seconds}"#));
    let token = state.issued;
    Ok(answer(200, format!(r#"{{"access_token":"token-{token}","token_type":"bearer"{life}}}"#)))
}

fn answer(status: u16, text: String) -> Response<Full<Bytes>> {
    let mut answer = Response::new(Full::from(text));
    *answer.status_mut() = StatusCode::from_u16(status).expect("BUG: a status of HTTP");
    answer
}
