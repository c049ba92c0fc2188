//! Where the server is, as a person writes it. A password never leaves here in words.

use std::fmt;
use std::time::Duration;

use redis::{ProtocolVersion, RedisConnectionInfo};

use super::codec::Keys;

const PORT: u16 = 6379;
const SENTINEL_PORT: u16 = 26379;
/// What to do about a server that belongs to a cluster.
pub(super) const NO_CLUSTER_HINT: &str = "name a server without cluster mode (`redis://host:6379`), or sentinels \
                                          (`redis+sentinel://host:26379/master`)";

/// How to reach the server.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Where it is.
    pub address: Address,
    /// How keys are made.
    pub keys: Keys,
    /// The longest wait for one connection.
    pub connection_timeout: Duration,
    /// The longest wait for one answer.
    pub operation_timeout: Duration,
    /// The certificates (PEM) that are trusted in place of the system's.
    pub ca: Option<Vec<u8>>,
}

/// Where a server is. `Display` and `Debug` show it without the password.
#[derive(Clone, PartialEq, Eq)]
pub struct Address {
    place: Place,
    is_encrypted: bool,
    user: Option<String>,
    password: Option<String>,
    db: u32,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Place {
    Server(Endpoint),
    /// The sentinels, and the name of the master that they watch over.
    Sentinel(Vec<(String, u16)>, String),
}

/// Where one server listens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Endpoint {
    /// Host and port.
    Tcp(String, u16),
    /// The path of a socket on this machine.
    Socket(String),
}

/// What is wrong with an address. It quotes nothing of it: any part may hold a password.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum AddressError {
    /// It does not begin as one.
    #[error("the address of the server does not begin with `redis://` or its like")]
    Scheme,
    /// There is no host in it.
    #[error("the address of the server names no host")]
    Host,
    /// There is no number from 1 to 65535 after a colon.
    #[error("the port in the address of the server is not a number from 1 to 65535")]
    Port,
    /// What follows the host is not the number of a database.
    #[error("the database in the address of the server is not a number")]
    Database,
    /// It is that of a cluster.
    #[error("Redis Cluster is not supported")]
    Cluster,
    /// There is no path to a socket in it.
    #[error("the address of the server names no socket")]
    Socket,
    /// The name of the master is missing.
    #[error("the address of the sentinels does not name the master")]
    Master,
    /// There are several hosts where one is expected.
    #[error("the address of the server names several hosts")]
    Several,
    /// A `%` in user or password is not followed by two hexadecimal digits.
    #[error("user or password in the address of the server are not written as in a URL")]
    Encoding,
    /// Something after `?` or `#` that is not understood.
    #[error("the address of the server ends with options that are not supported")]
    Options,
}

impl AddressError {
    /// What to do about it.
    #[must_use]
    pub fn hint(self) -> &'static str {
        match self {
            Self::Scheme => {
                "write `redis://host:6379`, `rediss://host:6379` (TLS), `redis+unix:///path` or \
                 `redis+sentinel://host:26379/master`"
            }
            Self::Host => "write `redis://host:6379`",
            Self::Port => "write `redis://host:6379`; encode `:`, `@` and `/` in a password (`%3A`, `%40`, `%2F`)",
            Self::Database => "write `redis://host:6379/0`",
            Self::Cluster => NO_CLUSTER_HINT,
            Self::Socket => "write `redis+unix:///path/to/socket`",
            Self::Master => "write `redis+sentinel://host:26379/master`",
            Self::Several => {
                "name one host, or write `redis+sentinel://h1:26379,h2:26379/master` for several sentinels"
            }
            Self::Encoding => "encode special characters (`%` is `%25`), or give the password in `REDIS_PASSWORD`",
            Self::Options => "leave away what begins with `?` or `#`",
        }
    }
}

impl Address {
    /// Reads an address.
    ///
    /// Forms: `redis://[user[:password]@]host[:port][/db]`, the same with `rediss`, `valkey`, `valkeys`;
    /// `redis+unix:///path`, `unix:///path`; `redis+sentinel://h1,h2/master[/db]` (`rediss+..` for TLS). `password` wins over the one in it; `db` counts where it names none.
    ///
    /// # Errors
    /// [`AddressError`] if it is none of these.
    pub fn parse(url: &str, password: Option<&str>, db: u32) -> Result<Self, AddressError> {
        let (scheme, rest) = url.trim().split_once("://").ok_or(AddressError::Scheme)?;
        let (is_encrypted, kind) = match scheme.to_ascii_lowercase().as_str() {
            "redis" | "valkey" => (false, Form::One),
            "rediss" | "valkeys" => (true, Form::One),
            "redis+unix" | "valkey+unix" | "unix" => (false, Form::Socket),
            "redis+cluster" | "valkey+cluster" | "rediss+cluster" | "valkeys+cluster" => {
                return Err(AddressError::Cluster);
            }
            "redis+sentinel" | "valkey+sentinel" => (false, Form::Sentinel),
            "rediss+sentinel" | "valkeys+sentinel" => (true, Form::Sentinel),
            _ => return Err(AddressError::Scheme),
        };
        // The last `@`: a password may hold one that nobody encoded.
        let (login, rest) = rest.rsplit_once('@').map_or((None, rest), |(login, rest)| (Some(login), rest));
        let (user, own) = login.map_or(Ok((None, None)), read_login)?;
        let (rest, own_db) = read_options(rest)?;
        let (place, path_db) = read_place(kind, rest)?;
        let db = path_db.or(own_db).unwrap_or(db);
        let password = password.filter(|text| !text.is_empty()).map(str::to_owned).or(own);
        Ok(Self { place, is_encrypted, user, password, db })
    }

    /// Whether what goes over the wire is encrypted.
    #[must_use]
    pub fn is_encrypted(&self) -> bool {
        self.is_encrypted
    }

    pub(super) fn place(&self) -> &Place {
        &self.place
    }

    pub(super) fn password(&self) -> Option<&str> {
        self.password.as_deref()
    }

    /// How a connection introduces itself.
    pub(super) fn login(&self) -> RedisConnectionInfo {
        let mut login = RedisConnectionInfo::default()
            .set_protocol(ProtocolVersion::RESP3)
            .set_db(i64::from(self.db))
            .set_skip_set_lib_name();
        if let Some(user) = &self.user {
            login = login.set_username(user);
        }
        if let Some(password) = &self.password {
            login = login.set_password(password);
        }
        login
    }

    /// Returns the address of one server with the same login.
    pub(super) fn of_server(&self, endpoint: Endpoint) -> Self {
        Self { place: Place::Server(endpoint), ..self.clone() }
    }

    /// Returns the address of one sentinel, which is never sent the login.
    pub(super) fn of_sentinel(&self, endpoint: Endpoint) -> Self {
        Self { user: None, password: None, db: 0, ..self.of_server(endpoint) }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = if self.is_encrypted { "rediss" } else { "redis" };
        let user = self.user.as_deref().map_or(String::new(), |user| format!("{}@", crate::core::name::visible(user)));
        let hosts = |hosts: &[(String, u16)]| {
            let hosts: Vec<_> = hosts.iter().map(|(host, port)| shown(host, *port)).collect();
            hosts.join(",")
        };
        match &self.place {
            Place::Server(Endpoint::Tcp(host, port)) => {
                write!(f, "{scheme}://{user}{}/{}", shown(host, *port), self.db)
            }
            Place::Server(Endpoint::Socket(path)) if self.db == 0 => write!(f, "redis+unix://{user}{path}"),
            Place::Server(Endpoint::Socket(path)) => write!(f, "redis+unix://{user}{path}?db={}", self.db),
            Place::Sentinel(nodes, master) => {
                write!(f, "{scheme}+sentinel://{user}{}/{master}/{}", hosts(nodes), self.db)
            }
        }
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Address({self})")
    }
}

#[derive(Clone, Copy)]
enum Form {
    One,
    Socket,
    Sentinel,
}

fn shown(host: &str, port: u16) -> String {
    if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") }
}

type Login = (Option<String>, Option<String>);

fn read_login(login: &str) -> Result<Login, AddressError> {
    let (user, password) = login.split_once(':').map_or((login, None), |(user, password)| (user, Some(password)));
    let given = |text: &str| decoded(text).map(|text| Some(text).filter(|text| !text.is_empty()));
    Ok((given(user)?, password.map_or(Ok(None), given)?))
}

fn decoded(text: &str) -> Result<String, AddressError> {
    let bytes = text.as_bytes();
    let (mut out, mut at) = (Vec::with_capacity(bytes.len()), 0);
    while at < bytes.len() {
        if bytes[at] == b'%' {
            let digits = text.get(at + 1..at + 3).filter(|digits| digits.bytes().all(|b| b.is_ascii_hexdigit()));
            let digits = digits.ok_or(AddressError::Encoding)?;
            out.push(u8::from_str_radix(digits, 16).map_err(|_| AddressError::Encoding)?);
            at += 3;
        } else {
            out.push(bytes[at]);
            at += 1;
        }
    }
    String::from_utf8(out).map_err(|_| AddressError::Encoding)
}

/// What stands after `?`: a database, or the protocol, which is always the same.
fn read_options(rest: &str) -> Result<(&str, Option<u32>), AddressError> {
    if rest.contains('#') {
        return Err(AddressError::Options);
    }
    let Some((rest, options)) = rest.split_once('?') else { return Ok((rest, None)) };
    let mut db = None;
    for option in options.split('&').filter(|option| !option.is_empty()) {
        match option.split_once('=') {
            Some(("db", number)) => db = Some(number.parse().map_err(|_| AddressError::Database)?),
            Some(("protocol", "resp3" | "3")) => {}
            _ => return Err(AddressError::Options),
        }
    }
    Ok((rest, db))
}

fn read_place(form: Form, rest: &str) -> Result<(Place, Option<u32>), AddressError> {
    if matches!(form, Form::Socket) {
        return if rest.starts_with('/') {
            Ok((Place::Server(Endpoint::Socket(rest.to_owned())), None))
        } else {
            Err(AddressError::Socket)
        };
    }
    let (hosts, path) = rest.split_once('/').unwrap_or((rest, ""));
    let normal = if matches!(form, Form::Sentinel) { SENTINEL_PORT } else { PORT };
    let hosts: Vec<_> = hosts.split(',').map(|host| read_host(host, normal)).collect::<Result<_, _>>()?;
    let path = path.trim_end_matches('/');
    let number = |text: &str| match text {
        "" => Ok(None),
        text => text.parse().map(Some).map_err(|_| AddressError::Database),
    };
    match form {
        Form::Sentinel => {
            let (master, db) = path.split_once('/').unwrap_or((path, ""));
            let is_name = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
            if master.is_empty() || !master.chars().all(is_name) {
                return Err(AddressError::Master);
            }
            Ok((Place::Sentinel(hosts, master.to_owned()), number(db)?))
        }
        Form::One | Form::Socket => match <[_; 1]>::try_from(hosts) {
            Ok([(host, port)]) => Ok((Place::Server(Endpoint::Tcp(host, port)), number(path)?)),
            Err(_) => Err(AddressError::Several),
        },
    }
}

/// Returns true if a text can be the name or the number of a host.
pub(super) fn is_host(text: &str) -> bool {
    !text.is_empty() && text.chars().all(|c| c.is_alphanumeric() || "-_.:%".contains(c))
}

fn read_host(text: &str, normal: u16) -> Result<(String, u16), AddressError> {
    let (host, port) = match text.strip_prefix('[') {
        Some(rest) => {
            let (host, port) = rest.split_once(']').ok_or(AddressError::Host)?;
            (host, port.strip_prefix(':'))
        }
        None => text.split_once(':').map_or((text, None), |(host, port)| (host, Some(port))),
    };
    if !is_host(host) {
        return Err(AddressError::Host);
    }
    let port = port.map_or(Ok(normal), |port| port.parse().map_err(|_| AddressError::Port))?;
    if port == 0 { Err(AddressError::Port) } else { Ok((host.to_owned(), port)) }
}
