# Runs before the emulator, on the loopback port that it will serve.
import os, signal, socket, sys, threading


def die_with_parent():
    # The parent holds the other end of this pipe: it closes when the parent ends, however it ends.
    while os.read(0, 4096):
        pass
    # The parent made this process the leader of a group of its own; what it started goes with it.
    os.killpg(0, signal.SIGKILL)


threading.Thread(target=die_with_parent, daemon=True).start()
listener = socket.socket()
listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
listener.bind(("127.0.0.1", 0))
listener.listen(1024)
port = listener.getsockname()[1]
sys.stdout.write(f"{port}\n")
sys.stdout.flush()
# The pipe is read for this line only; later output joins the errors.
os.dup2(2, 1)
try:
    import resource

    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
except (ImportError, ValueError, OSError):
    pass
