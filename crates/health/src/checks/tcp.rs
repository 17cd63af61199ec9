//! Whether somebody listens.

use std::sync::Arc;

use tokio::net::TcpStream;

use crate::check::Check;

/// Passes when a TCP connection to `address`, such as `smtp.internal:25`, is accepted; it is closed at once.
///
/// The name is resolved anew for each run, and each of its addresses is tried until one accepts. On a host whose process
/// is stopped the kernel goes on accepting: a check that asks for an answer knows more.
///
/// ```
/// # use macadam_health::checks;
/// let mail = checks::tcp("mail", "smtp.internal:25").degrading();
/// ```
pub fn tcp(name: impl Into<String>, address: impl Into<Arc<str>>) -> Check {
    let address = address.into();
    Check::new(name, move || {
        let address = Arc::clone(&address);
        async move { TcpStream::connect(&*address).await.map(drop) }
    })
}
