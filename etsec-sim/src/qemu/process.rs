//! The process: what QEMU is started with, and that it ends with us. It knows nothing of what is
//! said to it.

use std::ffi::OsString;
use std::io::Read;
use std::os::fd::OwnedFd;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::JoinHandle;

use super::QemuError;
use super::memory::{BYTES, Ram};
use super::qtest::Failure;

const QEMU: (&str, &str) = ("qemu-system-ppc", "qemu-system-ppc");
/// Has the kernel end a process with its parent.
const SETPRIV: (&str, &str) = ("setpriv", "util-linux");

/// How a process has ended, and what it has said.
type End = Option<(ExitStatus, String)>;

/// A running QEMU; dropped, it is ended.
#[derive(Debug)]
pub(super) struct Process {
    /// Gone when QEMU is to end.
    leash: Option<Sender<()>>,
    /// The kernel's promise is to the thread that has started QEMU: so that one stays.
    keeper: Option<JoinHandle<End>>,
    id: u32,
}

impl Process {
    /// Starts QEMU with its end of the wire; returns our end of the conversation as well.
    pub(super) fn start(ram: &Ram, wire: OwnedFd) -> Result<(Process, UnixStream), QemuError> {
        let (setpriv, qemu) = (find(SETPRIV)?, find(QEMU)?);
        let refused = |what| move |why| QemuError::System { what, why };
        let (ours, theirs) = UnixStream::pair().map_err(refused("pair of sockets"))?;
        let mut command = Command::new(setpriv);
        command.args(["--pdeathsig", "KILL"]).arg(qemu).args(arguments(ram));
        // Sockets in place of input and output: nothing has a name, so nothing can be in the way or
        // be left behind.
        command.stdin(wire).stdout(OwnedFd::from(theirs)).stderr(Stdio::piped());
        let (leash, held) = channel();
        let (tell, told) = channel();
        let keeper = std::thread::Builder::new().name("qemu".into());
        let keeper = keeper.spawn(move || {
            let child = command.spawn();
            // Our copies of QEMU's ends go, so that its end is the end of the conversation.
            drop(command);
            match child {
                Ok(child) => {
                    let _ = tell.send(Ok(child.id()));
                    keep(child, &held)
                }
                Err(why) => {
                    let _ = tell.send(Err(why));
                    None
                }
            }
        });
        let keeper = keeper.map_err(refused("thread"))?;
        let failed = |_| Err(std::io::Error::other("its thread has failed"));
        let id = told.recv().unwrap_or_else(failed).map_err(refused("process"))?;
        Ok((Process { leash: Some(leash), keeper: Some(keeper), id }, ours))
    }

    pub(super) fn id(&self) -> u32 {
        self.id
    }

    /// Ends it.
    fn end(&mut self) -> End {
        drop(self.leash.take());
        self.keeper.take().and_then(|keeper| keeper.join().ok()).flatten()
    }

    /// Ends it after a failure; says which.
    pub(super) fn failed(&mut self, failure: Failure) -> QemuError {
        let end = self.end();
        match (failure, end) {
            (Failure::Silent(command), _) => QemuError::Silent { command },
            (Failure::Answer(command, answer), _) => QemuError::Answer { command, answer },
            (Failure::Closed(_), Some((status, said))) => QemuError::Ended { status, said },
            (Failure::Closed(why), None) => QemuError::System { what: "conversation", why },
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.end();
    }
}

/// Waits until the owner lets go, and ends what still runs.
fn keep(mut child: Child, held: &Receiver<()>) -> End {
    // Nothing is ever sent.
    let _ = held.recv();
    // One that has ended by itself keeps its own status.
    if !matches!(child.try_wait(), Ok(Some(_))) {
        let _ = child.kill();
    }
    let status = child.wait().ok()?;
    let mut said = Vec::new();
    if let Some(mut stderr) = child.stderr.take() {
        let _ = stderr.read_to_end(&mut said);
    }
    Some((status, String::from_utf8_lossy(&said).into_owned()))
}

/// The machine (HW 15.1): standard input is its wire, standard output its test socket.
fn arguments(ram: &Ram) -> Vec<OsString> {
    let memory =
        format!("memory-backend-file,id=ram,size={BYTES},mem-path={},share=on", ram.path());
    let program = ram.program_path();
    let mut arguments: Vec<OsString> = Vec::new();
    let mut add = |words: &[&str]| arguments.extend(words.iter().map(OsString::from));
    // Without defaults there is nothing in it that we did not ask for.
    add(&["-nodefaults", "-display", "none", "-no-reboot", "-cpu", "e500v2"]);
    add(&["-M", "ppce500,memory-backend=ram", "-object", &memory, "-m", "64M"]);
    add(&["-kernel", &program]);
    add(&["-netdev", "dgram,id=wire,local.type=fd,local.str=0", "-device", "eTSEC,netdev=wire"]);
    // The name is QEMU's own for it, and another would not be found.
    add(&["-chardev", "socket,id=qtest,fd=1", "-qtest", "chardev:qtest"]);
    add(&["-qtest-log", "/dev/null"]);
    arguments
}

/// A program in the search path.
fn find((program, package): (&'static str, &'static str)) -> Result<OsString, QemuError> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let files = std::env::split_paths(&path).map(|folder| folder.join(program));
    let mut found = files.filter(|file| {
        file.metadata().is_ok_and(|m| m.is_file() && m.permissions().mode() & 0o111 != 0)
    });
    found.next().map(OsString::from).ok_or(QemuError::Missing { program, package })
}
