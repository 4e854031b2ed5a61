"""Run the faults: python -m benchmarks.faults --way command"""

from .run import main

if __name__ == "__main__":
    main()
