"""Starts the service: `python -m backend`."""

import argparse
import logging
import os
import sqlite3
import sys

import uvicorn
from sqlalchemy.exc import SQLAlchemyError
from strongroom import StrongroomError

from backend.main import create_app
from backend.settings import SettingsError


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m backend", description="A backend that keeps API keys.")
    parser.add_argument("--host", default="127.0.0.1", help="put a proxy with TLS in front of any other")
    parser.add_argument("--port", default=8000, type=int, help="0 for a free one, which the log tells")
    options = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(levelname)s:     %(name)s: %(message)s")
    try:
        app = create_app(os.environ)
    except SettingsError as error:
        sys.exit(f"cannot start: {error}")
    except StrongroomError as error:
        sys.exit(f"cannot start: {error.code}: {error}")
    except (sqlite3.Error, SQLAlchemyError) as error:
        sys.exit(f"cannot start: the file that DATABASE names cannot be used: {error}")
    uvicorn.run(app, host=options.host, port=options.port)


if __name__ == "__main__":
    main()
