//! TLS: with a certificate that is trusted, and with one that is not.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use mycelium::bridge::{BridgeError, Link};

use crate::server::{PATIENCE, Server, free_port, settings};
use crate::support::{could_not_run, has_program};

/// Who speaks something else may wait for more, for ever.
const SHORT: Duration = Duration::from_millis(300);

fn openssl(folder: &Path, args: &str) {
    let mut command = Command::new("openssl");
    let output = command.args(args.split(' ')).current_dir(folder).output().expect("openssl");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

/// A certificate for this machine, signed by one of its own.
fn make_certificates(folder: &Path) {
    std::fs::write(folder.join("ext"), "subjectAltName=IP:127.0.0.1,DNS:localhost\n").expect("a file");
    let key = "-newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes";
    openssl(folder, &format!("req -x509 {key} -keyout ca.key -out ca.crt -days 2 -subj /CN=ca"));
    openssl(folder, &format!("req {key} -keyout own.key -out own.csr -subj /CN=localhost"));
    openssl(folder, "x509 -req -in own.csr -CA ca.crt -CAkey ca.key -CAcreateserial -out own.crt -days 2 -extfile ext");
}

/// Without a certificate every server ends at once; why, tells whether it would know what to do with one.
fn speaks_tls(program: &Path, port: &str) -> bool {
    let said = Command::new(program).args(["--port", "0", "--tls-port", port]).output().expect("it starts");
    String::from_utf8_lossy(&[said.stdout, said.stderr].concat()).contains("ailed to configure TLS")
}

#[test]
fn an_encrypted_connection_is_only_made_to_whom_is_trusted() {
    let test = "an_encrypted_connection_is_only_made_to_whom_is_trusted";
    if !has_program("openssl") {
        return could_not_run(test, "`openssl` is missing");
    }
    let folder = tempfile::tempdir().expect("a folder");
    make_certificates(folder.path());
    let file = |name: &str| folder.path().join(name).display().to_string();
    let port = free_port().to_string();
    let (ca, own, key) = (file("ca.crt"), file("own.crt"), file("own.key"));
    let args = ["--tls-port", &port, "--tls-cert-file", &own, "--tls-key-file", &key, "--tls-ca-cert-file", &ca];
    let args = [args.as_slice(), &["--tls-auth-clients", "no"]].concat();
    let Some(program) = crate::server::program() else { return could_not_run(test, "`redis-server` is missing") };
    if !speaks_tls(&program, &port) {
        return could_not_run(test, "this server was built without TLS");
    }
    let Some(server) = Server::with(test, &args) else { return };
    let url = format!("rediss://127.0.0.1:{port}");
    let error = Link::connect(&settings(&url), PATIENCE).expect_err("nobody knows who signed it");
    assert!(matches!(error, BridgeError::Tls { .. }), "{error:?}");
    assert!(error.is_lost() && !error.is_unknown() && error.hint().is_some());
    let mut trusted = settings(&url);
    trusted.ca = Some(std::fs::read(file("ca.crt")).expect("a file"));
    let link = Link::connect(&trusted, PATIENCE).expect("a connection");
    link.delete(&["tasks:a".to_owned()]).expect("done");
    Link::listen(&trusted, PATIENCE, &["*".to_owned()], |_| {}).expect("a connection");
    trusted.ca = Some(b"no certificate".to_vec());
    let error = Link::connect(&trusted, PATIENCE).expect_err("nothing to trust");
    assert!(matches!(error, BridgeError::Tls { .. }), "{error:?}");
    // Plain where TLS is spoken, and the other way round.
    let mut plain = trusted.clone();
    plain.address = settings(&format!("redis://127.0.0.1:{port}")).address;
    assert!(Link::connect(&plain, SHORT).expect_err("it speaks TLS").is_lost());
    let mut other = settings(&format!("rediss://127.0.0.1:{}", server.port()));
    other.ca = Some(std::fs::read(file("ca.crt")).expect("a file"));
    let error = Link::connect(&other, SHORT).expect_err("it speaks no TLS");
    assert!(error.is_lost(), "{error:?}");
}
