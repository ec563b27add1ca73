//! Small servers for tests. Each lives until the test's runtime ends.

use std::future::Future;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use mbolo_proto::encode_frame;
use mbolo_proto::wire::{Challenge, GoingAway, ServerFrame, server_frame::Body};
use rcgen::{CertificateParams, DnType, KeyPair, date_time_ymd};
use rustls::ServerConfig;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio_rustls::TlsAcceptor;

/// Accepts connections and gives each to `handle`.
pub async fn serve<F>(handle: impl Fn(TcpStream) -> F + Send + 'static) -> SocketAddr
where
    F: Future<Output = ()> + Send + 'static,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(handle(stream));
        }
    });
    address
}

/// Reads what comes, says nothing, keeps the connection open.
pub async fn silent() -> SocketAddr {
    serve(|mut stream| async move { drain(&mut stream).await }).await
}

/// Closes each connection at once.
pub async fn closing() -> SocketAddr {
    serve(|stream| async move { drop(stream) }).await
}

/// A port on which nobody listens.
pub async fn nobody() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap()
}

/// A port whose queue is full: the kernel leaves those who knock without an answer. It is so while what is returned
/// beside the address lives.
pub async fn full() -> (SocketAddr, impl Sized) {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let listener = socket.listen(1).unwrap();
    let address = listener.local_addr().unwrap();
    let mut held = Vec::new();
    while let Ok(connected) =
        tokio::time::timeout(std::time::Duration::from_millis(200), TcpStream::connect(address)).await
    {
        held.push(connected.unwrap());
    }
    (address, (listener, held))
}

/// Answers every request with these bytes.
pub async fn http(answer: &'static str) -> SocketAddr {
    serve(move |mut stream| async move { answer_http(&mut stream, answer).await }).await
}

pub async fn answer_http(stream: &mut (impl AsyncRead + AsyncWrite + Unpin), answer: &str) {
    read_head(stream).await;
    stream.write_all(answer.as_bytes()).await.unwrap();
    stream.flush().await.unwrap();
    drain(stream).await;
}

/// The request up to the empty line.
pub async fn read_head(stream: &mut (impl AsyncRead + Unpin)) -> String {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        match stream.read_u8().await {
            Ok(byte) => head.push(byte),
            Err(_) => break,
        }
    }
    String::from_utf8(head).unwrap()
}

async fn drain(stream: &mut (impl AsyncRead + Unpin)) {
    let mut buffer = [0; 1_024];
    while stream.read(&mut buffer).await.is_ok_and(|length| length > 0) {}
}

/// A certificate for these names that signs itself.
pub struct Identity {
    pub certificate: CertificateDer<'static>,
    pub pem: String,
    config: Arc<ServerConfig>,
}

pub fn identity(names: &[&str], expired: bool) -> Identity {
    let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
    let mut params = CertificateParams::new(names).unwrap();
    // Roots are looked up by their subject, so each must have its own.
    static MADE: AtomicU32 = AtomicU32::new(0);
    let subject = format!("example {}", MADE.fetch_add(1, Ordering::Relaxed));
    params.distinguished_name.push(DnType::CommonName, subject);
    if expired {
        params.not_before = date_time_ymd(2001, 1, 1);
        params.not_after = date_time_ymd(2002, 1, 1);
    }
    let key = KeyPair::generate().unwrap();
    let certificate = params.self_signed(&key).unwrap();
    let private = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
    let config = ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate.der().clone()], private)
        .unwrap();
    Identity { certificate: certificate.der().clone(), pem: certificate.pem(), config: Arc::new(config) }
}

/// The same as [`http`] with TLS.
pub async fn https(identity: &Identity, answer: &'static str) -> SocketAddr {
    let acceptor = TlsAcceptor::from(identity.config.clone());
    serve(move |stream| {
        let acceptor = acceptor.clone();
        async move {
            if let Ok(mut stream) = acceptor.accept(stream).await {
                answer_http(&mut stream, answer).await;
            }
        }
    })
    .await
}

/// A WebSocket that sends back what it gets.
pub async fn echo() -> SocketAddr {
    use futures_util::StreamExt;
    serve(|stream| async move {
        if let Ok(socket) = tokio_tungstenite::accept_async(stream).await {
            let (sink, stream) = socket.split();
            let _ = stream.forward(sink).await;
        }
    })
    .await
}

/// A WebSocket that says one thing and then listens.
pub async fn says(message: Option<tokio_tungstenite::tungstenite::Message>) -> SocketAddr {
    use futures_util::{SinkExt, StreamExt};
    serve(move |stream| {
        let message = message.clone();
        async move {
            let mut socket = tokio_tungstenite::accept_async(stream).await.unwrap();
            if let Some(message) = message {
                socket.send(message).await.unwrap();
            }
            while socket.next().await.is_some_and(|next| next.is_ok()) {}
        }
    })
    .await
}

pub fn challenge() -> bytes::Bytes {
    let challenge = Challenge { versions: vec![1], nonce: vec![7; 32].into(), ..Challenge::default() };
    encode_frame(&ServerFrame { request_id: 0, body: Some(Body::Challenge(challenge)) })
}

pub fn going_away() -> bytes::Bytes {
    encode_frame(&ServerFrame { request_id: 0, body: Some(Body::GoingAway(GoingAway::default())) })
}
