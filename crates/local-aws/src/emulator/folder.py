# The emulator is in a folder of its own: what it writes there is for nobody else, and goes with it.
os.umask(0o077)
folder = os.environ["LOCAL_AWS_FOLDER"]
leftovers.append(folder)
os.chdir(folder)
