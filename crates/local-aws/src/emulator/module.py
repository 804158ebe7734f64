# Runs the module named first with the arguments after it, as `python -m` does.
import runpy, sys

sys.argv = sys.argv[1:]
runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)
