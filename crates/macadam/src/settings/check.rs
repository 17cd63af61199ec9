//! What no service can run with.

use std::time::Duration;

use super::{Settings, SettingsError, Shutdown};

impl Settings {
    /// Refuses values that fit their keys, and that no service can run with.
    pub(crate) fn check(&self) -> Result<(), SettingsError> {
        let zero = [
            (self.timeouts.request.is_zero(), "timeouts.request"),
            (self.timeouts.request_body_idle.is_zero(), "timeouts.request_body_idle"),
            (self.timeouts.response_body_idle.is_zero(), "timeouts.response_body_idle"),
            (self.timeouts.stream_idle == Some(Duration::ZERO), "timeouts.stream_idle"),
            (self.serve.first_byte.is_zero(), "serve.first_byte"),
            (self.serve.header.is_zero(), "serve.header"),
            (self.serve.keep_alive_idle.is_zero(), "serve.keep_alive_idle"),
            (self.serve.tls_handshake.is_zero(), "serve.tls_handshake"),
            (self.serve.max_age == Some(Duration::ZERO), "serve.max_age"),
            (self.serve.max_connections == 0, "serve.max_connections"),
            (self.load_shed.max_in_flight == 0, "load_shed.max_in_flight"),
            (self.health.unready_after.is_zero(), "health.unready_after"),
            (self.health.dead_after == Some(Duration::ZERO), "health.dead_after"),
        ];
        if let Some((_, key)) = zero.into_iter().find(|(is_zero, _)| *is_zero) {
            return Err(SettingsError::Zero { key, source: self.source_of(key).cloned() });
        }
        let halves =
            [(&self.serve.tls_certificate, "serve.tls_certificate"), (&self.serve.tls_key, "serve.tls_key")];
        if let [(Some(_), key), (None, missing)] | [(None, missing), (Some(_), key)] = halves {
            return Err(SettingsError::Half { key, missing, source: self.source_of(key).cloned() });
        }
        // A default gives way, and so does a lame duck that is left out; two numbers that somebody chose have to agree.
        let Shutdown { lame_duck, lame_duck_min, .. } = self.shutdown;
        if let Some(source) = self.source_of("shutdown.lame_duck_min").filter(|_| !lame_duck.is_zero()) {
            if lame_duck_min > lame_duck {
                let (least, most) = (lame_duck_min, lame_duck);
                return Err(SettingsError::LameDuck { least, most, source: source.clone() });
            }
        }
        if let Some(grace_period) = self.grace_period.filter(|it| self.shutdown.budget > it.period()) {
            let (budget, grace_period) = (self.shutdown.budget, grace_period.period());
            return Err(SettingsError::Killed { budget, grace_period });
        }
        if self.health.agent_check.is_some() && self.admin.listen.is_none() {
            return Err(SettingsError::NoAdmin { source: self.source_of("health.agent_check").cloned() });
        }
        let addresses = [
            (Some(self.listen), "listen"),
            (self.admin.listen, "admin.listen"),
            (self.health.agent_check, "health.agent_check"),
        ];
        for (index, (address, other)) in addresses.iter().enumerate() {
            // Port 0 is a new one each time it is asked for.
            let Some(address) = address.filter(|address| address.port() != 0) else { continue };
            let one = addresses[..index].iter().find(|(earlier, _)| *earlier == Some(address));
            if let Some((_, one)) = one {
                return Err(SettingsError::SameAddress { address, one, other });
            }
        }
        Ok(())
    }
}
