//! TLS: with a certificate that is trusted, and with one that is not.

use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use mycelium::redis::{BridgeError, Link};
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};

use crate::server::{PATIENCE, Server, free_port, settings};
use crate::support::{Run, Sandbox, could_not_run, has_program};
use mycelium::problem::Problem;

/// Who speaks something else may wait for more, for ever.
const SHORT: Duration = Duration::from_millis(300);

/// Certificates for this machine, made for one test.
pub(crate) struct Certificates(tempfile::TempDir);

impl Certificates {
    /// Makes them, or says that the test cannot run here.
    pub(crate) fn make(test: &str) -> Option<Self> {
        if !has_program("openssl") {
            could_not_run(test, "`openssl` is missing");
            return None;
        }
        let made = Self(tempfile::tempdir().expect("a folder"));
        std::fs::write(made.0.path().join("ext"), "subjectAltName=IP:127.0.0.1,DNS:localhost\n").expect("a file");
        let key = "-newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes";
        made.openssl(&format!("req -x509 {key} -keyout ca.key -out ca.crt -days 2 -subj /CN=ca"));
        made.openssl(&format!("req {key} -keyout own.key -out own.csr -subj /CN=localhost"));
        let sign = "x509 -req -in own.csr -CA ca.crt -CAkey ca.key -CAcreateserial -out own.crt -days 2 -extfile ext";
        made.openssl(sign);
        Some(made)
    }

    fn openssl(&self, args: &str) {
        let mut command = Command::new("openssl");
        let output = command.args(args.split(' ')).current_dir(self.0.path()).output().expect("openssl");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }

    /// The path of a file of them.
    pub(crate) fn file(&self, name: &str) -> String {
        self.0.path().join(name).display().to_string()
    }

    /// What a client is to trust.
    pub(crate) fn ca(&self) -> Vec<u8> {
        std::fs::read(self.file("ca.crt")).expect("a file")
    }

    /// How a server of a test encrypts.
    pub(crate) fn for_a_server(&self) -> Arc<ServerConfig> {
        let read = |name: &str| std::fs::read(self.file(name)).expect("a file");
        let chain = CertificateDer::pem_slice_iter(&read("own.crt")).collect::<Result<_, _>>().expect("a certificate");
        let key = PrivateKeyDer::from_pem_slice(&read("own.key")).expect("a key");
        let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()));
        let config = config.with_safe_default_protocol_versions().expect("versions").with_no_client_auth();
        Arc::new(config.with_single_cert(chain, key).expect("they fit"))
    }

    /// A server that also speaks TLS, on the port that is given with it.
    pub(crate) fn server(&self, test: &str, more: &[&str]) -> Option<(Server, u16)> {
        let port = free_port().to_string();
        let Some(program) = crate::server::program() else {
            could_not_run(test, "`redis-server` is missing");
            return None;
        };
        if !speaks_tls(&program, &port) {
            could_not_run(test, "this server was built without TLS");
            return None;
        }
        let (ca, own, key) = (self.file("ca.crt"), self.file("own.crt"), self.file("own.key"));
        let args = ["--tls-port", &port, "--tls-cert-file", &own, "--tls-key-file", &key, "--tls-ca-cert-file", &ca];
        let server = Server::with(test, &[more, &args, &["--tls-auth-clients", "no"]].concat())?;
        Some((server, port.parse().expect("a port")))
    }
}

/// Without a certificate every server ends at once; why, tells whether it would know what to do with one.
fn speaks_tls(program: &Path, port: &str) -> bool {
    let said = Command::new(program).args(["--port", "0", "--tls-port", port]).output().expect("it starts");
    String::from_utf8_lossy(&[said.stdout, said.stderr].concat()).contains("ailed to configure TLS")
}

#[test]
fn an_encrypted_connection_is_only_made_to_whom_is_trusted() {
    let test = "an_encrypted_connection_is_only_made_to_whom_is_trusted";
    let Some(certificates) = Certificates::make(test) else { return };
    let Some((server, port)) = certificates.server(test, &[]) else { return };
    let url = format!("rediss://127.0.0.1:{port}");
    let error = Link::connect(&settings(&url), PATIENCE).expect_err("nobody knows who signed it");
    assert!(matches!(error, BridgeError::Tls { .. }), "{error:?}");
    assert!(error.is_lost() && !error.is_unknown() && error.hint().is_some());
    let mut trusted = settings(&url);
    trusted.ca = Some(certificates.ca());
    let link = Link::connect(&trusted, PATIENCE).expect("a connection");
    link.delete(&["tasks:a".to_owned()]).expect("done");
    Link::listen(&trusted, PATIENCE, &["*".to_owned()], |_| {}).expect("a connection");
    trusted.ca = Some(b"no certificate".to_vec());
    let error = Link::connect(&trusted, PATIENCE).expect_err("nothing to trust");
    assert!(matches!(&error, BridgeError::Tls { why, .. } if why.contains("has none")), "{error:?}");
    trusted.ca = Some(b"-----BEGIN CERTIFICATE-----\nxx\n-----END CERTIFICATE-----\n".to_vec());
    let error = Link::connect(&trusted, PATIENCE).expect_err("it is broken");
    assert!(matches!(&error, BridgeError::Tls { why, .. } if why.contains("certificate")), "{error:?}");
    // A name that the certificate has, and one that it does not have.
    let mut named = settings(&format!("rediss://localhost:{port}"));
    named.ca = Some(certificates.ca());
    Link::connect(&named, PATIENCE).expect("a connection");
    named.address = settings(&format!("rediss://127.0.0.2:{port}")).address;
    assert!(Link::connect(&named, SHORT).expect_err("it is of another").is_lost());
    // Plain where TLS is spoken, and the other way round.
    let mut plain = trusted.clone();
    plain.address = settings(&format!("redis://127.0.0.1:{port}")).address;
    assert!(Link::connect(&plain, SHORT).expect_err("it speaks TLS").is_lost());
    let mut other = settings(&format!("rediss://127.0.0.1:{}", server.port()));
    other.ca = Some(certificates.ca());
    let error = Link::connect(&other, SHORT).expect_err("it speaks no TLS");
    assert!(error.is_lost(), "{error:?}");
}

#[test]
fn certificates_are_those_of_the_system_or_of_a_setting() {
    let test = "certificates_are_those_of_the_system_or_of_a_setting";
    let Some(certificates) = Certificates::make(test) else { return };
    let Some((_server, port)) = certificates.server(test, &[]) else { return };
    let sandbox = Sandbox::new();
    let detect = |name: &str, value: &str| {
        let url = format!("rediss://localhost:{port}");
        let mut command = sandbox.mycelium_command(&["bridge", "detect"]);
        Run::of(command.env("REDIS_URL", url).env(name, value)).ok()
    };
    assert!(detect("X", "").contains("no safe connection"), "nobody knows who signed it");
    // What OpenSSL and others take for the system's certificates.
    assert!(detect("SSL_CERT_FILE", &certificates.file("ca.crt")).contains("mode redis"));
    assert!(detect("MYCELIUM_COORDINATION_REDIS_CA", &certificates.file("ca.crt")).contains("mode redis"));
}
