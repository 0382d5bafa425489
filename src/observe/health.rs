//! `/metrics`, `/healthz` and `/readyz`, on a thread and a runtime of their own, so that they
//! answer while every worker is busy.
//!
//! What strangers can do to it is bounded: so many connections at a time, so long a connection,
//! so large a request, one request a connection.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE, HeaderValue};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use socket2::{Domain, Protocol, Socket, Type};
use tokio::sync::oneshot;
use tokio::task::AbortHandle;

use super::counters::lock;
use super::exposition;
use super::metrics::Metrics;
use crate::audit::AuditWatch;

/// Connections served at a time. One more takes the place of the oldest of those that have asked for
/// nothing yet, so that clients which say nothing keep nobody out.
const MAX_CONNECTIONS: usize = 64;
/// The longest that a request and its answer may take together.
const CONNECTION_TIMEOUT: Duration = Duration::from_secs(10);
/// The longest that a request's headers may take.
const HEADER_TIMEOUT: Duration = Duration::from_secs(5);
/// The largest request head.
const MAX_HEAD_BYTES: usize = 16 * 1024;

/// Whether this instance should get traffic, and why not.
#[derive(Debug, Default)]
pub struct Readiness {
    listening: AtomicBool,
    draining: AtomicBool,
    audit: Mutex<Option<AuditWatch>>,
    /// Why the last reload was refused. The configuration in force is sound, so the instance
    /// stays ready: one bad file must not take every instance out of service.
    reload_refused: Mutex<Option<String>>,
}

impl Readiness {
    /// An instance that is not listening yet.
    pub fn new() -> Arc<Readiness> {
        Arc::default()
    }

    /// A sound configuration is loaded and clients can connect.
    pub fn set_listening(&self) {
        self.listening.store(true, Ordering::Relaxed);
    }

    /// The instance is on its way out.
    pub fn set_draining(&self) {
        self.draining.store(true, Ordering::Relaxed);
    }

    /// The audit log that has to be writable.
    pub fn watch_audit(&self, audit: AuditWatch) {
        *lock(&self.audit) = Some(audit);
    }

    /// A reload was taken (`None`) or refused, and why.
    pub fn set_reload(&self, refused: Option<String>) {
        *lock(&self.reload_refused) = refused;
    }

    /// Why this instance should get no traffic; empty: it is ready.
    pub fn reasons(&self) -> Vec<String> {
        let mut reasons = Vec::new();
        if self.draining.load(Ordering::Relaxed) {
            reasons.push("draining".to_owned());
        } else if !self.listening.load(Ordering::Relaxed) {
            reasons.push("not listening yet".to_owned());
        }
        if let Some(problem) = lock(&self.audit).as_ref().and_then(AuditWatch::problem) {
            reasons.push(problem.to_string());
        }
        reasons
    }

    fn page(&self) -> (StatusCode, String) {
        let reasons = self.reasons();
        let (status, mut text) = if reasons.is_empty() {
            (StatusCode::OK, "ready\n".to_owned())
        } else {
            (StatusCode::SERVICE_UNAVAILABLE, format!("not ready: {}\n", reasons.join("; ")))
        };
        if let Some(why) = lock(&self.reload_refused).as_ref() {
            text.push_str(&format!("note: the last reload was refused: {why}\n"));
        }
        (status, text)
    }
}

/// The running server; dropping it ends it.
#[derive(Debug)]
pub struct HealthServer {
    address: SocketAddr,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl HealthServer {
    /// Listens and serves from now on.
    ///
    /// The address is bound with SO_REUSEPORT, so that two instances can overlap during a restart.
    ///
    /// # Errors
    /// The address cannot be bound, or the thread not started.
    pub fn start(
        listen: SocketAddr,
        metrics: Arc<Metrics>,
        readiness: Arc<Readiness>,
    ) -> io::Result<HealthServer> {
        let listener = bind(listen)?;
        let address = listener.local_addr()?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let (stop, stopped) = oneshot::channel();
        let thread = thread::Builder::new().name("health".into()).spawn(move || {
            runtime.block_on(async {
                tokio::select! {
                    result = serve(listener, metrics, readiness) => if let Err(error) = result {
                        tracing::error!(%error, "health endpoint ended");
                    },
                    _ = stopped => {}
                }
            });
        })?;
        Ok(HealthServer { address, stop: Some(stop), thread: Some(thread) })
    }

    /// Where it listens (the port, where 0 was asked for).
    pub fn local_addr(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for HealthServer {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            // A panic in it has been reported on its own.
            let _ = thread.join();
        }
    }
}

fn bind(listen: SocketAddr) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(listen), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_reuse_address(true)?;
    socket.set_reuse_port(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&listen.into())?;
    socket.listen(128)?;
    Ok(socket.into())
}

async fn serve(
    listener: TcpListener,
    metrics: Arc<Metrics>,
    readiness: Arc<Readiness>,
) -> io::Result<()> {
    let listener = tokio::net::TcpListener::from_std(listener)?;
    let mut served = VecDeque::new();
    loop {
        let stream = match listener.accept().await {
            Ok((stream, _)) => stream,
            Err(error) => {
                // Out of descriptors, most likely: others will be given back.
                tracing::debug!(%error, "health endpoint cannot accept");
                tokio::time::sleep(Duration::from_millis(100)).await;
                continue;
            }
        };
        make_room(&mut served);
        let (metrics, readiness) = (Arc::clone(&metrics), Arc::clone(&readiness));
        let asked = Arc::new(AtomicBool::new(false));
        let has_asked = Arc::clone(&asked);
        let task = tokio::spawn(async move {
            let service = service_fn(move |request| {
                asked.store(true, Ordering::Relaxed);
                let response = respond(&request, &metrics, &readiness);
                async move { Ok::<_, Infallible>(response) }
            });
            let connection = http1::Builder::new()
                .timer(TokioTimer::new())
                .header_read_timeout(HEADER_TIMEOUT)
                .max_buf_size(MAX_HEAD_BYTES)
                .keep_alive(false)
                .serve_connection(TokioIo::new(stream), service);
            // Neither a client that breaks off nor one that dawdles is our concern.
            let _ = tokio::time::timeout(CONNECTION_TIMEOUT, connection).await;
        });
        served.push_back(Served { task: task.abort_handle(), has_asked });
    }
}

/// A connection, the oldest first.
struct Served {
    task: AbortHandle,
    /// It has sent a request.
    has_asked: Arc<AtomicBool>,
}

/// One more connection can be served.
fn make_room(served: &mut VecDeque<Served>) {
    if served.len() >= MAX_CONNECTIONS {
        served.retain(|one| !one.task.is_finished());
    }
    if served.len() >= MAX_CONNECTIONS {
        let silent = served.iter().position(|one| !one.has_asked.load(Ordering::Relaxed));
        if let Some(oldest) = served.remove(silent.unwrap_or(0)) {
            oldest.task.abort();
        }
    }
}

fn respond(
    request: &Request<Incoming>,
    metrics: &Metrics,
    readiness: &Readiness,
) -> Response<Full<Bytes>> {
    let known = matches!(request.uri().path(), "/metrics" | "/healthz" | "/readyz");
    if known && !matches!(*request.method(), Method::GET | Method::HEAD) {
        let mut response = text(StatusCode::METHOD_NOT_ALLOWED, "only GET and HEAD\n".into());
        response.headers_mut().insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
        return response;
    }
    match request.uri().path() {
        "/metrics" => {
            let mut response = text(StatusCode::OK, metrics.render());
            let media_type = HeaderValue::from_static(exposition::CONTENT_TYPE);
            response.headers_mut().insert(CONTENT_TYPE, media_type);
            response
        }
        "/healthz" => text(StatusCode::OK, "alive\n".into()),
        "/readyz" => {
            let (status, page) = readiness.page();
            text(status, page)
        }
        _ => text(StatusCode::NOT_FOUND, "try /metrics, /healthz or /readyz\n".into()),
    }
}

fn text(status: StatusCode, body: String) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from(body)));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::net::TcpStream;

    use super::*;

    fn server() -> (HealthServer, Arc<Readiness>) {
        let readiness = Readiness::new();
        let listen = SocketAddr::from(([127, 0, 0, 1], 0));
        let server = HealthServer::start(listen, Metrics::new(), Arc::clone(&readiness)).unwrap();
        (server, readiness)
    }

    fn ask(server: &HealthServer, request: &str) -> String {
        let mut stream = TcpStream::connect(server.local_addr()).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        stream.write_all(request.as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    }

    fn get(server: &HealthServer, path: &str) -> String {
        ask(server, &format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n"))
    }

    #[test]
    fn ready_once_listening_until_draining() {
        let (server, readiness) = server();
        assert!(get(&server, "/healthz").starts_with("HTTP/1.1 200"));
        let early = get(&server, "/readyz");
        assert!(
            early.starts_with("HTTP/1.1 503") && early.contains("not listening yet"),
            "{early}"
        );
        readiness.set_listening();
        assert!(get(&server, "/readyz").starts_with("HTTP/1.1 200"));
        readiness.set_reload(Some("line 3: unknown key".into()));
        let noted = get(&server, "/readyz");
        assert!(noted.starts_with("HTTP/1.1 200") && noted.contains("line 3"), "{noted}");
        readiness.set_draining();
        let late = get(&server, "/readyz");
        assert!(late.starts_with("HTTP/1.1 503") && late.contains("draining"), "{late}");
        assert!(get(&server, "/healthz").starts_with("HTTP/1.1 200"));
    }

    #[test]
    fn other_requests_are_told_off() {
        let (server, _) = server();
        let page = get(&server, "/metrics");
        assert!(page.contains("text/plain; version=0.0.4"), "{page}");
        assert!(page.contains("pgauthority_build_info"), "{page}");
        assert!(get(&server, "/").starts_with("HTTP/1.1 404"));
        let post = ask(&server, "POST /metrics HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n");
        assert!(post.starts_with("HTTP/1.1 405"), "{post}");
        let head = ask(&server, "HEAD /readyz HTTP/1.1\r\nHost: x\r\n\r\n");
        assert!(head.starts_with("HTTP/1.1 503") && head.ends_with("\r\n\r\n"), "{head}");
        assert!(ask(&server, "\0\0\0\u{8}\u{4}\r\n\r\n").starts_with("HTTP/1.1 400"));
        let long = format!("GET /{} HTTP/1.1\r\n\r\n", "x".repeat(2 * MAX_HEAD_BYTES));
        assert!(ask(&server, &long).starts_with("HTTP/1.1 4"));
    }

    #[test]
    fn clients_that_say_nothing_keep_nobody_out() {
        let (server, _) = server();
        let begun = std::time::Instant::now();
        let _silent: Vec<TcpStream> = (0..300)
            .map(|index| {
                let mut stream = TcpStream::connect(server.local_addr()).unwrap();
                if index % 2 == 0 {
                    // those at the front have been cut off meanwhile
                    let _ = stream.write_all(b"GET /healthz HTTP/1.1\r\nHost:");
                }
                stream
            })
            .collect();
        assert!(get(&server, "/healthz").starts_with("HTTP/1.1 200"));
        assert!(begun.elapsed() < HEADER_TIMEOUT, "{:?}", begun.elapsed());
    }

    #[test]
    fn dropping_it_frees_the_address_and_a_bound_one_is_an_error() {
        let (server, _) = server();
        let address = server.local_addr();
        drop(server);
        let _held = TcpListener::bind(address).unwrap();
        let again = HealthServer::start(address, Metrics::new(), Readiness::new());
        assert!(again.is_err(), "a stranger's port must be a startup error");
    }
}
