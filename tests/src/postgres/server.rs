//! The Postgres server process and its supervisor.

use std::{
    fs,
    io::Write as _,
    os::unix::fs::{PermissionsExt as _, chown},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use tempfile::TempDir;

use super::{Error, execute};

/// Time limit until a started server answers.
const READY: Duration = Duration::from_mins(1);

/// Shell script that runs the server, given as arguments, until its input ends or has a line. Then it
/// stops the server, and removes the folder (first argument) unless the line is `stop`. It ignores an
/// interrupt from the terminal: that also ends the test, which closes the input.
const SUPERVISOR: &str = r#"
trap '' INT
folder=$1; shift
"$@" &
server=$!
line=; read -r line
kill -QUIT "$server" 2>/dev/null
wait "$server"
[ "$line" = stop ] || rm -rf -- "$folder"
"#;

/// A running server. Dropping the value stops it and removes its folder.
#[derive(Debug)]
pub struct Server {
    folder: TempDir,
    bin: PathBuf,
    port: u16,
    supervisor: Option<Child>,
}

impl Server {
    pub(super) async fn start() -> Result<Self, Error> {
        let bin = programs()?;
        let folder = tempfile::Builder::new().prefix("asu-postgres-").tempdir()?;
        // The server's user must be able to enter the folder.
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755))?;
        let data = folder.path().join("data");
        fs::create_dir(&data)?;
        fs::set_permissions(&data, fs::Permissions::from_mode(0o700))?;
        if let Some((uid, gid)) = server_user()? {
            chown(&data, Some(uid), Some(gid))?;
        }
        let mut initdb = as_server_user(&bin.join("initdb"))?;
        initdb
            .args(["--auth=trust", "--username=postgres", "--encoding=UTF8"])
            .args(["--no-locale", "--no-sync", "--no-instructions"])
            .arg("-D")
            .arg(&data);
        run(&mut initdb)?;
        let [port] = crate::ports::free()?;
        let mut server = Self { folder, bin, port, supervisor: None };
        server.resume().await?;
        Ok(server)
    }

    /// Port on 127.0.0.1; the same after [`Self::stop`] and [`Self::resume`].
    pub fn port(&self) -> u16 {
        self.port
    }

    /// URL of a database as superuser.
    pub fn url(&self, database: &str) -> String {
        format!("postgres://postgres@127.0.0.1:{}/{database}", self.port)
    }

    /// Runs a SQL statement in the database `postgres`.
    ///
    /// # Errors
    /// The server's error.
    pub async fn execute(&self, statement: &str) -> Result<(), Error> {
        Ok(execute(&self.url("postgres"), statement).await?)
    }

    /// Stops the server abruptly and keeps its data.
    ///
    /// # Errors
    /// When waiting for the process fails.
    pub fn stop(&mut self) -> Result<(), Error> {
        if let Some(mut supervisor) = self.supervisor.take() {
            if let Some(mut input) = supervisor.stdin.take() {
                input.write_all(b"stop\n")?;
            }
            supervisor.wait()?;
        }
        Ok(())
    }

    /// Starts the server again after [`Self::stop`].
    ///
    /// # Errors
    /// [`Error::Silent`] with the last part of its log.
    pub async fn resume(&mut self) -> Result<(), Error> {
        let log = fs::File::create(self.log())?;
        let server = as_server_user(&self.bin.join("postgres"))?;
        let child = Command::new("sh")
            .args(["-c", SUPERVISOR, "sh"])
            .arg(self.folder.path())
            .arg(server.get_program())
            .args(server.get_args())
            .arg("-D")
            .arg(self.folder.path().join("data"))
            .args(["-p", &self.port.to_string()])
            .args(["-c", "listen_addresses=127.0.0.1"])
            .args(["-c", "unix_socket_directories="])
            .args(["-c", "fsync=off", "-c", "full_page_writes=off"])
            .args(["-c", "max_connections=200"])
            .stdin(Stdio::piped())
            .stdout(log.try_clone()?)
            .stderr(log)
            .spawn()?;
        self.supervisor = Some(child);
        self.wait_ready().await
    }

    fn log(&self) -> PathBuf {
        self.folder.path().join("log")
    }

    async fn wait_ready(&self) -> Result<(), Error> {
        let deadline = Instant::now() + READY;
        while Instant::now() < deadline {
            if self.execute("select 1").await.is_ok() {
                return Ok(());
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        let log = fs::read_to_string(self.log()).unwrap_or_default();
        let lines: Vec<&str> = log.lines().collect();
        Err(Error::Silent {
            seconds: READY.as_secs(),
            log: lines
                .iter()
                .skip(lines.len().saturating_sub(20))
                .copied()
                .collect::<Vec<_>>()
                .join("\n"),
        })
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Closing its input makes the supervisor stop the server.
        if let Some(mut supervisor) = self.supervisor.take() {
            drop(supervisor.stdin.take());
            let _ = supervisor.wait();
        }
    }
}

/// Folder with the programs of the newest installed Postgres.
fn programs() -> Result<PathBuf, Error> {
    let versions = fs::read_dir("/usr/lib/postgresql").map_err(|_| Error::NotInstalled)?;
    versions
        .filter_map(|entry| entry.ok()?.file_name().into_string().ok()?.parse::<u32>().ok())
        .max()
        .map(|version| Path::new("/usr/lib/postgresql").join(version.to_string()).join("bin"))
        .filter(|bin| bin.join("initdb").exists())
        .ok_or(Error::NotInstalled)
}

/// uid and gid of Debian's user for Postgres if this process is root, because Postgres refuses to run as
/// root.
fn server_user() -> Result<Option<(u32, u32)>, Error> {
    if !rustix::process::geteuid().is_root() {
        return Ok(None);
    }
    let passwd = fs::read_to_string("/etc/passwd")?;
    passwd
        .lines()
        .map(|line| line.split(':').collect::<Vec<_>>())
        .find_map(|fields| match fields.as_slice() {
            ["postgres", _, uid, gid, ..] => Some((uid.parse().ok()?, gid.parse().ok()?)),
            _ => None,
        })
        .map(Some)
        .ok_or(Error::NotInstalled)
}

fn as_server_user(program: &Path) -> Result<Command, Error> {
    let Some((uid, gid)) = server_user()? else {
        return Ok(Command::new(program));
    };
    let mut command = Command::new("setpriv");
    command
        .args(["--reuid", &uid.to_string(), "--regid", &gid.to_string()])
        .args(["--clear-groups", "--"])
        .arg(program);
    Ok(command)
}

fn run(command: &mut Command) -> Result<(), Error> {
    let output = command.stdin(Stdio::null()).current_dir("/").output()?;
    if output.status.success() {
        return Ok(());
    }
    Err(Error::Command {
        what: command.get_program().to_string_lossy().into_owned(),
        problem: String::from_utf8_lossy(&output.stderr).into_owned(),
    })
}
