"""An S3 server with nothing behind it: every bucket named flat-N or nested-N (and whatever follows) lists N keys.

For the memory of a listing of a million objects, which a real server on the same machine would take an hour to hold.
"""

import re
import threading
import urllib.parse
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

FOLDERS, INNER = 50, 20


class Keys:
    """The keys of one bucket, in order, without holding them."""

    def __init__(self, layout, count):
        self.nested, self.count = layout == "nested", count
        self.per_folder = -(-count // (FOLDERS * INNER)) if self.nested else count

    def key(self, n):
        if not self.nested:
            return f"object-{n:08d}.bin"
        folder, index = divmod(n, self.per_folder)
        return f"{folder // INNER:02d}/{folder % INNER:02d}/object-{index:08d}.bin"

    def first_after(self, after):
        low, high = 0, self.count
        while low < high:
            middle = (low + high) // 2
            if self.key(middle) > after:
                high = middle
            else:
                low = middle + 1
        return low

    def page(self, after, limit):
        first = self.first_after(after) if after else 0
        last = min(first + limit, self.count)
        objects = "".join(
            f"<Contents><Key>{urllib.parse.quote(self.key(n))}</Key><LastModified>2026-11-22T18:57:19.000Z</LastModified>"
            f"<ETag>&quot;{n:032x}&quot;</ETag><Size>{4096 + n % 7}</Size><StorageClass>STANDARD</StorageClass></Contents>"
            for n in range(first, last))
        truncated = "true" if last < self.count else "false"
        return (f'<?xml version="1.0" encoding="UTF-8"?><ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/">'
                f"<IsTruncated>{truncated}</IsTruncated>{objects}</ListBucketResult>").encode()


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = 1 << 20

    def log_message(self, *_):
        pass

    def answer(self, body, status=200):
        self.send_response(status)
        self.send_header("content-length", str(len(body)))
        self.send_header("content-type", "application/xml")
        self.end_headers()
        self.wfile.write(body)

    def do_HEAD(self):
        self.answer(b"")

    def do_GET(self):
        url = urllib.parse.urlsplit(self.path)
        query = urllib.parse.parse_qs(url.query, keep_blank_values=True)
        bucket = re.match(r"/(flat|nested)-(\d+)", url.path)
        if bucket is None or "list-type" not in query:
            return self.answer(b"<Error><Code>NotImplemented</Code></Error>", 501)
        after = query.get("start-after", [""])[0]
        limit = int(query.get("max-keys", ["1000"])[0])
        self.answer(Keys(bucket[1], int(bucket[2])).page(after, limit))


class Synthetic:
    """Serves on loopback until it is stopped."""

    def __init__(self):
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.endpoint = f"http://127.0.0.1:{self.server.server_address[1]}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def stop(self):
        self.server.shutdown()
