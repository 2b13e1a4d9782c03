//! A hostile caller: arguments, environment, descriptors, messages.

use std::fs::File;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};

use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use vaultfs_mount_helper::protocol::{MESSAGE_BYTES, Request};

use crate::daemon::Mount;
use crate::files::World;
use crate::support::{Installed, Registrar, folder, is_root, read_write, socket_pair};

#[test]
fn any_other_argument_ends_it_at_once() {
    let program = env!("CARGO_BIN_EXE_vaultfs-mount-helper");
    for arguments in [
        &[][..],
        &[""],
        &["Registrar"],
        &["registrar "],
        &["registrar", ""],
        &["registrar", "registrar"],
        &["--help"],
        &["--", "registrar"],
        &["-o", "fd=3"],
        &["mount", "Work", "/mnt"],
    ] {
        let outcome = Command::new(program).args(arguments).stdin(Stdio::null()).output().unwrap();
        assert_eq!(outcome.status.code(), Some(1), "{arguments:?}");
        assert!(outcome.stdout.is_empty());
        assert_eq!(String::from_utf8(outcome.stderr).unwrap().lines().count(), 1, "{arguments:?}");
    }
    // A name does not make it anything else.
    let outcome = Command::new(program).arg0("/tmp/registrar").stdin(Stdio::null()).output().unwrap();
    assert_eq!(outcome.status.code(), Some(1));
}

#[test]
fn only_a_socket_will_do_as_input() {
    let program = env!("CARGO_BIN_EXE_vaultfs-mount-helper");
    let (reader, _writer) = std::io::pipe().unwrap();
    for input in [Stdio::null(), File::open("/etc/passwd").unwrap().into(), reader.into()] {
        let outcome = Command::new(program).arg("registrar").stdin(input).output().unwrap();
        assert_eq!(outcome.status.code(), Some(2));
        assert!(outcome.stdout.is_empty() && outcome.stderr.is_empty(), "{outcome:?}");
    }
    // A stream is a socket: what comes over it is judged all the same.
    let (ours, its) = UnixStream::pair().unwrap();
    std::io::Write::write_all(&mut &ours, &[0; 64]).unwrap();
    let outcome = Command::new(program).arg("registrar").stdin(std::os::fd::OwnedFd::from(its)).output().unwrap();
    assert_eq!(outcome.status.code(), Some(3));

    // None of the standard three is open at all.
    let closed = Command::new("sh").args(["-c", r#"exec "$0" registrar <&- >&- 2>&-"#, program]).status().unwrap();
    assert_eq!(closed.code(), Some(2));
}

/// What the environment asks of the loader and of Rust is not heard by a program that has a capability.
#[test]
fn the_environment_means_nothing() {
    if !is_root("the_environment_means_nothing") {
        return;
    }
    let World { installed, mount, .. } = World::new();
    let (source, library, marker) =
        (installed.home().join("evil.c"), installed.home().join("evil.so"), installed.home().join("marker"));
    let code = "#include <fcntl.h>\n#include <unistd.h>\n__attribute__((constructor)) static void f(void) { close(open(MARKER, O_CREAT | O_WRONLY, 0600)); }\n";
    std::fs::write(&source, code).unwrap();
    let define = format!("-DMARKER=\"{}\"", marker.display());
    let built =
        Command::new("cc").args(["-shared", "-fPIC", &define, "-o"]).arg(&library).arg(&source).status().unwrap();
    assert!(built.success());
    let hostile = |mut command: Command| {
        command
            .env_clear()
            .envs([("LD_PRELOAD", library.as_os_str()), ("LD_LIBRARY_PATH", installed.home().as_os_str())]);
        command.envs([
            ("GLIBC_TUNABLES", "glibc.malloc.check=3"),
            ("RUST_BACKTRACE", "full"),
            ("PATH", "/nonexistent"),
        ]);
        command
    };
    let mut victim = Command::new("/bin/true");
    victim.uid(crate::support::USER);
    assert!(hostile(victim).status().unwrap().success());
    assert!(marker.exists(), "the library does what it is made for");
    std::fs::remove_file(&marker).unwrap();

    let mut command = installed.command();
    command.arg("registrar");
    let registrar = Registrar::start(hostile(command));
    assert_eq!(registrar.begin(mount.device.as_fd(), &[&folder(&installed.home())]), Some(Ok(0)));
    assert!(registrar.register(installed.file("song", "song")).is_ok());
    assert!(!marker.exists(), "a library of the user ran with the capability");
}

#[test]
fn what_is_left_open_or_scarce_does_not_matter() {
    if !is_root("what_is_left_open_or_scarce_does_not_matter") {
        return;
    }
    let World { installed, mount, .. } = World::new();
    let home = folder(&installed.home());
    let shell = |line: &str| {
        let mut command = Command::new("setpriv");
        let user = crate::support::USER.to_string();
        command.args(["--reuid", &user, "--clear-groups", "sh", "-c", line]).arg(installed.program());
        command
    };
    // Descriptors that it did not ask for, output that goes to a file of the user, a folder that is gone, and a mask.
    let output = installed.home().join("output");
    std::fs::create_dir(installed.home().join("gone")).unwrap();
    let line = format!(
        r#"cd '{home}/gone' && rmdir '{home}/gone'; umask 777; exec "$0" registrar 5</etc/passwd 9<>/dev/null >'{out}' 2>&1"#,
        home = installed.home().display(),
        out = output.display(),
    );
    std::os::unix::fs::chown(installed.home().join("gone"), Some(crate::support::USER), None).unwrap();
    let registrar = Registrar::start(shell(&line));
    assert_eq!(registrar.begin(mount.device.as_fd(), &[&home]), Some(Ok(0)));
    assert_eq!(std::fs::read_dir(format!("/proc/{}/fd", registrar.child.id())).unwrap().count(), 4);
    for output in [1, 2] {
        let target = std::fs::read_link(format!("/proc/{}/fd/{output}", registrar.child.id())).unwrap();
        assert_eq!(target, Path::new("/dev/null"));
    }
    registrar.send(b"nonsense!", &[]).unwrap();
    registrar.has_ended(3);
    assert_eq!(std::fs::read_to_string(&output).unwrap(), "");

    // Too few descriptors for what is sent: refused whole, not in part.
    let registrar = Registrar::start(shell(r#"ulimit -n 4; exec "$0" registrar"#));
    registrar.send(&Request::Start.encode(), &[mount.device.as_fd(), home.as_fd()]).unwrap();
    registrar.has_ended(3);
}

#[test]
fn whatever_is_not_a_request_ends_it_with_nothing_done() {
    if !is_root("whatever_is_not_a_request_ends_it_with_nothing_done") {
        return;
    }
    let World { installed, mount, .. } = World::new();
    let home = folder(&installed.home());
    let file = installed.file("song", "song");
    let start = Request::Start.encode();
    let many = vec![file.as_fd(); 64];
    let long = vec![0; 100_000];
    let nonsense: [(&[u8], &[BorrowedFd<'_>]); 10] = [
        (&start[..7], &[]),
        (&[&start[..], &[0]].concat(), &[]),
        (&[], &[file.as_fd()]),
        (&long, &[]),
        (&Request::Register.encode(), &[]),
        (&Request::Register.encode(), &[file.as_fd(), file.as_fd()]),
        (&Request::Register.encode(), &many),
        (&Request::Close { id: 1 }.encode(), &[file.as_fd()]),
        (&start, &[mount.device.as_fd(), home.as_fd()]), // a second start
        (&[0xff; MESSAGE_BYTES], &[]),
    ];
    for (message, descriptors) in nonsense {
        let registrar = installed.registrar();
        assert_eq!(registrar.begin(mount.device.as_fd(), &[&home]), Some(Ok(0)));
        registrar.send(message, descriptors).unwrap();
        registrar.has_ended(3);
    }
    // Before the start nothing else is heard.
    for (request, descriptors) in [(Request::Register, &[file.as_fd()][..]), (Request::Close { id: 1 }, &[])] {
        let registrar = installed.registrar();
        registrar.send(&request.encode(), descriptors).unwrap();
        registrar.has_ended(3);
    }
    // The socket is the daemon's as much as its own: it is made to tell who sends, which is nothing that a registrar listens to.
    let (ours, its) = socket_pair();
    rustix::net::sockopt::set_socket_passcred(&its, true).unwrap();
    let registrar = Command::new(installed.program()).arg("registrar").stdin(Stdio::from(its)).spawn();
    let mut registrar = registrar.unwrap();
    rustix::net::send(&ours, &Request::Close { id: 1 }.encode(), rustix::net::SendFlags::empty()).unwrap();
    assert_eq!(registrar.wait().unwrap().code(), Some(3));
}

/// Whatever a daemon sends, each message is answered or is the last, and only its own good file is ever registered.
#[test]
fn any_messages_are_answered_or_end_it() {
    if !is_root("any_messages_are_answered_or_end_it") {
        return;
    }
    let World { installed, mount, .. } = World::new();
    let home = folder(&installed.home());
    let (good, foreign) = (installed.file("song", "song"), read_write(Path::new("/dev/null")));
    let message = prop_oneof![
        4 => Just(Request::Start.encode().to_vec()),
        4 => Just(Request::Register.encode().to_vec()),
        4 => (0_u32..4).prop_map(|id| Request::Close { id }.encode().to_vec()),
        1 => prop::collection::vec(any::<u8>(), 0..12),
    ];
    let descriptors = prop_oneof![
        4 => Just(vec![3, 2]),
        4 => Just(vec![0]),
        4 => Just(vec![]),
        1 => prop::collection::vec(0_usize..4, 0..10),
    ];
    let kinds = [good.as_fd(), foreign.as_fd(), home.as_fd(), mount.device.as_fd()];
    let mut runner = TestRunner::new(Config { cases: 128, failure_persistence: None, ..Config::default() });
    let sends = prop::collection::vec((message, descriptors), 1..12);
    runner
        .run(&sends, |sends| {
            let registrar = installed.registrar();
            let mut live = Vec::new();
            for (message, descriptors) in sends {
                let beside: Vec<_> = descriptors.iter().map(|kind| kinds[*kind]).collect();
                if registrar.send(&message, &beside).is_err() {
                    break;
                }
                let Some(answer) = registrar.answer() else { break };
                let request = Request::decode(&message, descriptors.len()).expect("it answers requests only");
                match (request, answer) {
                    (Request::Register, Ok(id)) => {
                        prop_assert_eq!(descriptors, vec![0]);
                        live.push(id);
                    }
                    (Request::Register, Err(_)) => prop_assert_ne!(descriptors, vec![0]),
                    (Request::Close { id }, answer) => {
                        prop_assert_eq!(answer.is_ok(), live.contains(&id));
                        live.retain(|other| *other != id);
                    }
                    (Request::Start, answer) => prop_assert_eq!(answer.is_ok(), descriptors == [3, 2]),
                }
            }
            Ok(())
        })
        .unwrap();
}

/// A daemon that dies leaves no registrar behind, and no mount held open by one.
#[test]
fn it_ends_with_the_daemon() {
    if !is_root("it_ends_with_the_daemon") {
        return;
    }
    let installed = Installed::with_capability();
    let dir = tempfile::tempdir().unwrap();
    let mount = Mount::new(dir.path(), true);
    let registrar = installed.registrar();
    assert_eq!(registrar.begin(mount.device.as_fd(), &[&folder(&installed.home())]), Some(Ok(0)));
    assert!(registrar.register(installed.file("song", "song")).is_ok());
    assert_eq!(registrar.end().code(), Some(0));
}
