//! The gateway's sockets are held while it is dead, and nobody else's port is taken.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};

use supervisor::{Changed, Refusal, RequestError};

use crate::stage::{PATIENCE, Stage, apply, eventually, listening, now, port, signal, status_when};

fn connect(address: SocketAddr) -> TcpStream {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.write_all(b"hello").unwrap();
    stream
}

/// Waits for the answer: the gateway's process id.
fn ask(mut stream: TcpStream) -> u32 {
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer.parse().unwrap()
}

async fn gateway(supervisor: &supervisor::Supervisor, not: Option<u32>) -> u32 {
    status_when(supervisor, "a gateway runs", |status| {
        let gateway = status.platform.iter().find(|process| process.name == "gateway")?;
        gateway.pid.filter(|pid| Some(*pid) != not)
    })
    .await
}

#[tokio::test]
async fn a_connection_made_while_the_gateway_is_dead_is_served_by_the_next() {
    let stage = Stage::new(|setting| setting.platform = true);
    let supervisor = stage.connect().await;
    let address = port();
    apply(&supervisor, listening(1, &[("web", address)])).await;
    let first = gateway(&supervisor, None).await;
    assert_eq!(ask(connect(address)), first);
    // Stopped, it cannot accept any more, so that what follows waits in the sockets' queues.
    signal(first, 19);
    eventually("every thread of it stands still", || {
        let mut tasks = std::fs::read_dir(format!("/proc/{first}/task")).unwrap();
        let stands = |task: std::fs::DirEntry| {
            let stat = std::fs::read_to_string(task.path().join("stat")).unwrap();
            stat.rsplit(')').next().unwrap().starts_with(" T")
        };
        tasks.all(|task| stands(task.unwrap())).then_some(())
    });
    let waiting: Vec<TcpStream> = (0..20).map(|_| connect(address)).collect();
    let killed = now();
    signal(first, 9);
    let during = connect(address);
    let second = ask(during);
    let elapsed = killed.elapsed();
    println!("a killed gateway serves again after {elapsed:?}");
    assert!(elapsed.as_millis() < 200, "{elapsed:?}");
    assert_ne!(second, first);
    for stream in waiting {
        assert_eq!(ask(stream), second);
    }
}

#[tokio::test]
async fn a_listener_comes_and_goes_with_the_plan() {
    let stage = Stage::new(|setting| setting.platform = true);
    let supervisor = stage.connect().await;
    let (one, two) = (port(), port());
    apply(&supervisor, listening(1, &[("one", one)])).await;
    apply(&supervisor, listening(2, &[("one", one), ("two", two)])).await;
    let pid = gateway(&supervisor, None).await;
    assert_eq!(ask(connect(two)), pid);
    apply(&supervisor, listening(3, &[("two", two)])).await;
    let status = supervisor.status().await.unwrap();
    let names: Vec<&str> = status.listeners.iter().map(|listener| listener.name.as_str()).collect();
    assert_eq!(names, ["two"]);
}

async fn refusal(address: SocketAddr, stage: &Stage) -> Refusal {
    let supervisor = stage.connect().await;
    let applied = supervisor.apply(listening(1, &[("web", address)]), Changed::Restart).await;
    match applied {
        Err(RequestError::Refused(refusal)) => refusal,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn an_occupied_port_names_its_holder() {
    let stage = Stage::new(|_| {});
    let address = port();
    let listener = TcpListener::bind(address).unwrap();
    let Refusal::PortOccupied { listener: name, holder, .. } = refusal(address, &stage).await
    else {
        panic!("it was not occupied")
    };
    assert_eq!((name.as_str(), holder.unwrap().pid), ("web", std::process::id()));
    drop(listener);
    apply(&stage.connect().await, listening(1, &[("web", address)])).await;
}

#[tokio::test]
async fn two_supervisors_do_not_share_a_port_unnoticed() {
    let (one, two) = (Stage::new(|_| {}), Stage::new(|_| {}));
    let address = port();
    apply(&one.connect().await, listening(1, &[("web", address)])).await;
    let Refusal::PortOccupied { holder, .. } = refusal(address, &two).await else {
        panic!("it was shared")
    };
    assert_eq!(holder.unwrap().pid, one.supervisor_pid());
}
