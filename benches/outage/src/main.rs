//! Takes Postgres and Redis from a service, and watches what its probes and its other requests say.
//!
//! `cargo xtask e2e-health` builds and runs it: a table on stdout, what it is doing on stderr. The servers are real, each
//! is a process of its own like the service, and all is on the loopback.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a command talks on its terminal")]

mod bystander;
mod gate;
mod http;
mod instance;
mod outage;
mod server;
mod service;
mod trial;

use std::{env, error::Error, process::ExitCode, time::Duration};

use tokio::time::timeout;

use crate::{
    bystander::Bystanders,
    gate::Gate,
    instance::Instance,
    outage::Outage,
    server::{Kind, Server},
    trial::Trial,
};

type Result<T = (), E = Box<dyn Error + Send + Sync>> = std::result::Result<T, E>;

#[tokio::main]
async fn main() -> ExitCode {
    let mut arguments = env::args().skip(1);
    let done = match (arguments.next(), arguments.next(), arguments.next()) {
        (None, ..) => match timeout(LIMIT, measure()).await {
            Ok(measured) => measured,
            Err(_) => Err(format!("it is not over after {} s", LIMIT.as_secs()).into()),
        },
        (Some(role), Some(postgres), Some(redis)) if role == service::ROLE => {
            service::serve(&postgres, &redis).await.map(|()| true)
        }
        _ => Err("it takes no arguments".into()),
    };
    match done {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("macadam-outage: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Whether all was as demanded.
async fn measure() -> Result<bool> {
    doing("starting Postgres and Redis");
    let (mut postgres, mut redis) = (Server::start(Kind::Postgres).await?, Server::start(Kind::Redis).await?);
    let mut to_postgres = Gate::open(postgres.address).await?;
    let mut to_redis = Gate::open(redis.address).await?;
    let instance = Instance::start(to_postgres.address, to_redis.address).await?;
    let bystanders = Bystanders::start(&instance);

    println!("{}", trial::HEAD);
    let mut is_good = true;
    for (server, gate) in [(&mut postgres, &mut to_postgres), (&mut redis, &mut to_redis)] {
        for outage in Outage::ALL {
            doing(&format!("{} {outage}", server.kind));
            let trial = Trial::run(outage, server, gate, &instance).await?;
            println!("{trial}");
            is_good &= trial.is_good();
        }
    }
    doing("all connections of the pool are in use");
    let exhausted = trial::Exhausted::run(&instance).await?;
    let witnessed = bystanders.end().await;
    println!("\n{exhausted}\n\n{witnessed}");
    instance.stop().await?;
    Ok(is_good & exhausted.is_good() & witnessed.is_good())
}

/// Says what is going on.
fn doing(what: &str) {
    eprintln!("{what}");
}

/// Three times what it takes.
const LIMIT: Duration = Duration::from_secs(90);
