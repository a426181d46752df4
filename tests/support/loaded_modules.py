"""Which modules a command loads."""

HEAVY = {
    "PIL",
    "cv2",
    "faiss",
    "h5py",
    "keras",
    "matplotlib",
    "numpy",
    "openvino",
    "rich",
    "sqlite_utils",
    "tensorflow",
}

# Runs a command as the console script does, then prints what was loaded, whatever the command's outcome.
PROGRAM = """
import atexit, json, sys
started = set()
sys.addaudithook(lambda event, arguments: started.add(event) if event == "subprocess.Popen" else None)
@atexit.register
def report():
    names = sorted({name.partition(".")[0] for name in sys.modules} | started)
    print("LOADED", json.dumps(names), file=sys.__stderr__, flush=True)
from facesearch.cli import main
main()
"""
