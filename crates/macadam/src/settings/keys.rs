//! The closed table of keys.
//!
//! A row drives all that is done with its key: reading it from the file and the environment, the search for the
//! nearest name, the start-up line, and `docs/defaults.md`.

use super::{Settings, value::Value};

/// A setting that exists.
pub(super) struct Key {
    /// As in the file: `timeouts.request`.
    pub(super) path: &'static str,
    /// What it is.
    pub(super) doc: &'static str,
    /// Why its default is what it is.
    pub(super) reason: &'static str,
    /// What is expected of a value.
    pub(super) expects: fn(&Settings) -> &'static str,
    /// Reads a value; `None` if it does not fit.
    pub(super) set: fn(&mut Settings, &str) -> Option<()>,
    /// Writes the value, as [`set`](Self::set) reads it.
    pub(super) show: fn(&Settings) -> String,
}

impl Key {
    /// As in the environment: `MACADAM_TIMEOUTS_REQUEST`.
    pub(super) fn variable(&self) -> String {
        format!("MACADAM_{}", self.path.to_ascii_uppercase().replace('.', "_"))
    }
}

fn expects<T: Value>(_: &T) -> &'static str {
    T::EXPECTS
}

macro_rules! keys {
    ($($first:ident $(. $rest:ident)*: $doc:literal, $reason:literal;)+) => {
        &[$(Key {
            path: concat!(stringify!($first) $(, ".", stringify!($rest))*),
            doc: $doc,
            reason: $reason,
            expects: |settings| expects(&settings.$first$(.$rest)*),
            set: |settings, text| {
                settings.$first$(.$rest)* = Value::parse(text)?;
                Some(())
            },
            show: |settings| Value::show(&settings.$first$(.$rest)*),
        }),+]
    };
}

pub(super) const KEYS: &[Key] = keys! {
    name: "The service's name, in logs and on the status page.",
        "`OTEL_SERVICE_NAME` if that is set, as every collector expects, else the name of the executable.";
    profile: "Where the service runs. `prod`, where it is said, refuses a build with debug assertions.",
        "A build without debug assertions is meant for production: nobody should have to say so for a deploy to lose nothing.";
    listen: "The address of the public listener.",
        "Loopback: what is reachable from outside should be so because somebody said so.";
    body_limit: "The most bytes of a request's body that are read; more is answered with 413. A route may move it.",
        "1 MiB holds what an API is sent; who takes uploads knows how large they are.";
    admin.listen: "The address of the admin listener, which answers probes on a thread of its own; or `off`.",
        "Loopback, since it tells more than a stranger should know; 9901 is where operators of Envoy look first.";
    request_id.inbound: "What to do with the request id that a client sent: `accept-if-valid` or `regenerate`.",
        "Most services stand behind a gateway whose id they should keep. At the edge, choose `regenerate`.";
    timeouts.request: "From a request's arrival to its answer, the body of one of unknown length included; it pauses while the handler waits for the client's bytes.",
        "3 s is longer than a healthy answer takes and shorter than a person, or a caller's own timeout, waits.";
    timeouts.request_body_idle: "Between two frames of a request's body, while the handler waits for one; then 408.",
        "30 s is a mobile client in a tunnel; more only serves a client that is gone.";
    timeouts.inherit: "What to do with the time that a caller says it will wait: `shorten`, `trust` (it may lengthen too) or `off`.",
        "Nobody gains by an answer that comes after its caller has left, and who asks for less time harms nobody else.";
    timeouts.inherit_max: "From a request's arrival to its answer, whatever a trusted caller says; where that is more than `timeouts.request`.",
        "20 s is `shutdown.drain`: a deploy would cut what takes longer. It also bounds what a caller's mistake can hold.";
    timeouts.header: "The header in which a caller says, in milliseconds, how long it will wait; beside `grpc-timeout`, `connect-timeout-ms` and `x-envoy-expected-rq-timeout-ms`.",
        "No standard has one. This is what services call it that have thought of one for themselves.";
    timeouts.malformed: "What becomes of a request in which such a header is malformed: `ignore` or `reject` (400). Both are counted.",
        "A service that refuses what it served yesterday is a surprise; the count tells who to talk to.";
    timeouts.response_body_idle: "Between two frames of a response's body, while the connection asks for one and the service has none; then it is cut.",
        "5 m is Envoy's; what a service takes longer to think of is better asked for as a stream.";
    timeouts.stream_idle: "The same for event streams, gRPC and `multipart/x-mixed-replace`, which may last for ever; or `off`.",
        "Whether a silent stream is dead only the service knows. Turned on, it wants a heartbeat that is faster.";
    load_shed.mode: "Whether requests are shed: `enforce`, `dry-run` (counted as if) or `off`.",
        "A limit that only warns has never saved a service.";
    load_shed.max_in_flight: "The most requests in flight at once, from admission to the last frame. The gate begins with 64, doubles that while there is room, and finds out how many are of use.",
        "1,024 is far above what a healthy service of this size has in flight, and far below what exhausts its memory.";
    load_shed.queue: "The most requests that wait for their turn; 0 for none. No more wait than are served in `load_shed.queue_wait`.",
        "It bounds what they take in memory.";
    load_shed.queue_wait: "From a request's place in the queue to its turn, at most; its deadline may make it less.",
        "What waits behind a few slow requests is served by then; who would wait longer is better told at once.";
    load_shed.target_lag: "How late the executor may be, at the least over a tenth of a second, before requests are shed for it.",
        "5 ms is more than any pause of a runtime that keeps up, and little beside what a client notices.";
    load_shed.criticality: "Which paths matter how much when requests are shed; what is not named is `critical`.",
        "Only you know. What matters less makes room for what matters more, in an overload and in no other case.";
    shutdown.lame_duck: "From the signal to the end of accepting, at most: the service serves, fails its readiness probe and asks clients to leave. It ends once three probes have seen it and no request has come for a second.",
        "5 s is what load balancers take to notice. Nobody waits for one on a developer's machine.";
    shutdown.lame_duck_min: "The same at the least, whoever has noticed; where `shutdown.lame_duck` is less, that counts.",
        "A balancer that knows still has requests on their way, and a second one may ask more seldom. As long as `shutdown.lame_duck` it makes of that a plain wait.";
    shutdown.drain: "From the end of accepting until what is still in flight is cut.",
        "20 s is more than six times the default deadline of a request, so only what hangs is cut. Where nobody sets it, it gives way to a short budget and to hooks.";
    shutdown.budget: "From the signal to the exit, whatever hangs. The phases must fit into it.",
        "`TERMINATION_GRACE_PERIOD_SECONDS` less 2 s where that is set. Kubernetes kills after 30 s by default: 2 s of that are left for the kill that is not to happen.";
    serve.first_byte: "From the accept of a connection to its first byte.",
        "10 s is a slow handshake over a bad network; more is a connection held for nothing.";
    serve.header: "From the first byte of a request's head to its last; then 408.",
        "20 s is what Apache gives a head; a head is one packet.";
    serve.keep_alive_idle: "From the end of an exchange to the next request on its connection.",
        "75 s is longer than the 60 s of common load balancers: the side that reuses a connection should be the one that closes it.";
    serve.min_rate: "The bytes a second that a client has to send of a body that is waited for, and to take of an answer; 0 for none.",
        "240 is Kestrel's, and slower than any network that people use. It may be slower for 5 s, and what it takes is judged by pieces of 16 KiB.";
    serve.max_age: "The age at which a connection is ended with its next answer, a tenth more or less; or `off`.",
        "It moves clients to new instances where a load balancer shares out connections and not requests; elsewhere it only costs.";
    serve.max_age_grace: "From that age until what is still in flight on the connection is cut.",
        "30 s is ten times the default deadline of a request.";
    serve.max_connections: "The most connections at once. At the cap, the one that has been silent longest makes room.",
        "10,000 connections are some 200 MB at worst; lowered to what the descriptor limit allows.";
    serve.max_connections_per_address: "The most connections of one address, in IPv6 of one /64, at once; more are reset. 0 for no limit.",
        "Behind a load balancer all clients have its address. It is for a listener that they reach directly.";
    serve.hand_over: "From where the listening socket comes, and to whom it goes: `systemd` (its socket), `pass` (from the instance that runs, which then leaves, and to the next one), `close` (bound, and closed at the end), or `auto`: systemd's if it has made one, else `pass`; and `close` with `serve.reuse_port`.",
        "To start the new instance is then all of a restart, and no connection is lost in it. Only a service of the same name and user gets the socket.";
    serve.reuse_port: "Whether other processes may listen on the same address (`SO_REUSEPORT`).",
        "It is for several instances side by side. Whichever stops resets what waits in its own queue.";
    serve.tls_certificate: "A PEM file with the service's certificate, then those that issued it, or `off`. It needs the feature `tls`, and `serve.tls_key`.",
        "Most services stand behind a proxy that speaks TLS for them. The file is read again once a minute: to renew the certificate, replace it.";
    serve.tls_key: "A PEM file with the private key of that certificate, not encrypted, or `off`.",
        "Whoever has a key chooses it; none is safe to assume. It is read again with the certificate.";
    serve.tls_handshake: "From the accept of a connection to the end of its TLS handshake.",
        "10 s is some thirty round trips of a bad network; a handshake takes two.";
    health.public: "Whether the public listener answers `/livez`, `/readyz` and `/startupz` too, without the reasons of failures.",
        "Load balancers probe the port that they send traffic to.";
    health.loopback_probe: "Whether the service also asks itself on its public listener, every 2 s, and is not ready after three failures. Where that speaks TLS, or `health.public` is off, it connects, hangs up, and expects the same.",
        "An admin listener that answers shows that the process runs, this that clients reach it. But then what fills the listener makes the service unready too: that is yours to choose. With `Road::run` the server has to listen at `listen`.";
    health.unready_after: "For how long all workers of the runtime have to stand still, each in a call that blocks or in a round of long ones, before `/readyz` on the admin listener says so. Some of several are `degraded`.",
        "1 s is longer than any pause of a runtime that keeps up, and shorter than a client waits.";
    health.dead_after: "The same before `/livez` fails, so that the process is started anew; or `off`.",
        "10 s is longer than what passes by itself. A restart cures a deadlock; what only takes too long it makes worse.";
    health.on_drain: "What `/readyz` says from the signal on: `fail`, `404` (the same, as HAProxy's `disable-on-404` wants it), or for how long it goes on to pass, such as `10s`.",
        "Whoever sends traffic should stop at once. On Kubernetes, which takes an instance out by itself, `10s` keeps it as a fallback for when all others are unready.";
    health.envoy: "Whether every response from the signal on bears `x-envoy-immediate-health-check-fail`, so that an Envoy in front takes this instance out at the first.",
        "A gateway that passes the header on is taken out itself by an Envoy before it, with all that is behind it. Turn it on where Envoy is the next hop.";
    health.agent_check: "The address of the agent that HAProxy's `agent-check` asks, which says `up`, `down` or `drain`; or `off`.",
        "It is of use to HAProxy alone, and has to be reachable from there.";
    telemetry.logs: "The form of the log: `pretty`, `json` or `off`.",
        "A person reads one at a terminal, a collector the other everywhere else.";
    telemetry.filter: "Which events are logged, in the form of `RUST_LOG`, which wins where it is set. The request's span, of whose ids each line tells, is there whatever it says, but for `macadam::request=off`.",
        "`info` is a line a request and a line a change of state.";
    telemetry.access: "The level of the line that is written of each request when it is over: `info` (`debug` if it was shed), `debug` or `off`.",
        "It is what an operator looks for first, and finds by its id. A failure has no level of its own: `error.type` finds it, and the metrics count it.";
    telemetry.repeats: "How many warnings and errors of one place in the code are written at once, and then a second; the next one says how many were left out (`repeated`). 0 for no limit.",
        "10 show an incident; ten thousand fill a disk, and say the same. The access line is no warning, and always written.";
    telemetry.trust_inbound: "What becomes of the trace that a caller says it is in (`traceparent`): a request begins a trace of its own, with a link to the caller's (`link`), continues it (`trust`), or takes no notice (`ignore`).",
        "Anybody can send that header. Whose trace is continued writes into it, and decides what is recorded: say `trust` where only services of your own reach the listener.";
    telemetry.otlp: "Whether metrics, traces and logs go to the collector that `OTEL_EXPORTER_OTLP_ENDPOINT`, and the other variables of OpenTelemetry, name. It needs the feature `otel`.",
        "Where somebody names a collector, they want it told. `false` is for a service that tells it by itself.";
    telemetry.flush_timeout: "How long the last of it may take to be sent, when all else of the shutdown is done.",
        "A collector nearby takes it in milliseconds; one that is dead should not make a deploy slow.";
};

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn no_two_keys_collide_in_the_file_or_the_environment() {
        let paths: HashSet<_> = KEYS.iter().map(|key| key.path).collect();
        let variables: HashSet<_> = KEYS.iter().map(Key::variable).collect();
        assert_eq!(paths.len(), KEYS.len());
        assert_eq!(variables.len(), KEYS.len());
        assert!(!variables.contains("MACADAM_CONFIG"));
    }

    #[test]
    fn every_default_is_read_as_it_is_shown() {
        let defaults = Settings::default();
        for key in KEYS {
            let shown = (key.show)(&defaults);
            let mut settings = defaults.clone();
            assert_eq!((key.set)(&mut settings, &shown), Some(()), "{} = {shown}", key.path);
            assert_eq!((key.show)(&settings), shown, "{}", key.path);
        }
    }
}
