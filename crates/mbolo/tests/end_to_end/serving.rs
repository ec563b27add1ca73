//! A cell on this machine: ports, directories, certificates, invites.

use std::net::{SocketAddr, TcpListener};

use crate::people::{Person, run};
use crate::support::{Server, mbolo};

#[test]
fn a_port_that_is_in_use() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let server = Server::start();
    let mut command = mbolo();
    let dir = tempfile::tempdir().unwrap();
    command
        .args(["serve", "--listen", &taken.local_addr().unwrap().to_string(), "--data"])
        .arg(dir.path().join("data"));
    let refused = run(command, "").refused(7);
    assert!(refused.contains("already in use") && refused.contains("--listen"), "{refused}");
    drop(server);
}

#[test]
fn two_servers_on_one_directory() {
    let server = Server::start();
    let second = server.command(SocketAddr::from(([127, 0, 0, 1], 0)));
    let refused = run(second, "").refused(7);
    assert!(refused.contains("Another server") && refused.contains("--data"), "{refused}");
}

#[test]
fn a_setting_that_is_wrong() {
    let mut command = mbolo();
    command.args(["serve", "--listen", "here"]);
    let refused = run(command, "");
    assert_eq!(refused.code, Some(2));
    assert!(refused.err.contains("--listen") && refused.err.contains("here"), "{}", refused.err);
    let mut command = mbolo();
    command.args(["serve", "--config", "no-such-file.toml"]);
    let refused = run(command, "").refused(2);
    assert!(refused.contains("no-such-file.toml"), "{refused}");
}

#[test]
fn a_cell_for_the_invited() {
    let server = Server::start_with(&["--signup", "invite"]);
    let stranger = Person::without_account(&server.url, "stranger");
    let refused = stranger.create(&[]).refused(3);
    assert!(refused.contains("--invite"), "{refused}");
    stranger.create(&["--invite", "made-up"]).refused(3);
    let mut invite = mbolo();
    invite.args(["invite", "--data"]).arg(server.data());
    let code = run(invite, "").ok();
    stranger.create(&["--invite", code.trim()]).ok();
    let again = Person::without_account(&server.url, "again");
    again.create(&["--invite", code.trim()]).refused(3);
}

#[test]
fn a_certificate_that_nobody_vouches_for_is_trusted_on_first_use_only() {
    let mut server = Server::start_with(&["--tls", "generated"]);
    assert!(server.url.starts_with("https://"), "{}", server.url);
    let awa = Person::without_account(&server.url, "awa");
    let first = awa.create(&[]);
    assert!(first.err.contains("fingerprint"), "{first:?}");
    first.ok();
    let bibi = Person::sign_up(&server, "bibi");
    let again = awa.run(&["send", "@bibi", "Mbolo"]);
    assert!(!again.err.contains("fingerprint"), "{again:?}");
    again.ok();
    bibi.sync();

    // Someone else at the same address, with another certificate.
    server.kill();
    let mut impostor = Server::start_with(&["--tls", "generated"]);
    impostor.kill();
    impostor.address = server.address;
    impostor.restart();
    let refused = awa.run(&["send", "@bibi", "secret", "--timeout", "20"]).refused(5);
    assert!(refused.contains("certificate") && refused.contains("not trusted"), "{refused}");
}

#[test]
fn a_given_certificate_is_the_only_one_trusted() {
    let server = Server::start_with(&["--tls", "generated"]);
    let certificate = server.data().join("tls").join("cert.pem");
    let awa = Person::without_account(&server.url, "awa");
    let created = awa.create(&["--trust-cert", certificate.to_str().unwrap()]);
    assert!(!created.err.contains("fingerprint"), "{created:?}");
    created.ok();
    awa.sync();
    let other = Server::start_with(&["--tls", "generated"]);
    let moved = awa.run(&["listen", "--until-idle", "--timeout", "20", "--cell", &other.url]);
    moved.refused(5);
}

#[test]
fn help_and_completions_work_without_anything_else() {
    let mut help = mbolo();
    help.arg("--help");
    let help = run(help, "").ok();
    for command in
        ["chat", "send", "listen", "room", "account", "serve", "invite", "bench", "completions", "Examples:"]
    {
        assert!(help.contains(command), "{command} in\n{help}");
    }
    for shell in ["bash", "zsh", "fish"] {
        let mut completions = mbolo();
        completions.args(["completions", shell]);
        assert!(run(completions, "").ok().contains("mbolo"));
    }
}

#[test]
fn who_serves_the_network_without_tls_is_warned() {
    use std::io::{BufRead, BufReader};
    use std::process::Stdio;
    let server = Server::start();
    let mut warned = Vec::new();
    for (listen, tls) in [("0.0.0.0:0", "off"), ("0.0.0.0:0", "generated"), ("127.0.0.1:0", "off")] {
        let dir = tempfile::tempdir().unwrap();
        let mut command = mbolo();
        command.args(["serve", "--listen", listen, "--tls", tls, "--data"]).arg(dir.path().join("data"));
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let mut greeting = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut greeting).unwrap();
        child.kill().unwrap();
        let ended = child.wait_with_output().unwrap();
        warned.push(String::from_utf8_lossy(&ended.stderr).contains("There is no TLS"));
    }
    assert_eq!(warned, [true, false, false]);
    drop(server);
}

#[test]
fn keys_and_paths_are_written_as_they_are() {
    let serve = |more: &[&str], dir: &std::path::Path| {
        let mut command = mbolo();
        command.args(["serve", "--listen", "127.0.0.1:0", "--data", "cc"]).args(more).current_dir(dir);
        run(command, "")
    };
    let dir = tempfile::tempdir().unwrap();
    let refused = serve(&["--pow-bits", "23"], dir.path()).refused(2);
    assert!(refused.starts_with("mbolo: pow_bits is"), "{refused}");
    let refused = serve(&["--tls", "files"], dir.path()).refused(2);
    assert!(refused.starts_with("mbolo: tls = "), "{refused}");
    std::fs::create_dir_all(dir.path().join("cc")).unwrap();
    std::fs::write(dir.path().join("cc/cell.key"), "no key").unwrap();
    let damaged = serve(&[], dir.path()).refused(9);
    assert!(damaged.starts_with("mbolo: cc/cell.key is damaged"), "{damaged}");
}
