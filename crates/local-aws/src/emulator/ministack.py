import asyncio

from hypercorn.asyncio import serve
from hypercorn.config import Config
from ministack.app import app

config = Config()
config.bind = [f"fd://{listener.fileno()}"]
config.loglevel = "WARNING"
# Longer than the proxy keeps an idle connection, so that none is closed while a request is on its way.
config.keep_alive_timeout = 3600
start_no_processes()
asyncio.run(serve(guarded_asgi(app_with_regions), config))
