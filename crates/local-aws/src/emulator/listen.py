# The port is bound before the emulator loads: no other process can take it in between.
import os, socket, sys

listener = socket.socket()
listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
host, _, number = os.environ.get("LOCAL_AWS_LISTEN", "127.0.0.1:0").partition(":")
listener.bind((host, int(number)))
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
