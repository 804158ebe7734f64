"""An S3 server with nothing behind it: every bucket named flat-N, nested-N or unicode-N (and whatever follows) lists N keys.

For the memory of a listing of a million objects, which a real server on the same machine would take an hour to hold.
In a bucket whose name ends with -changed every hundredth object has other content. In one whose name has -keyed no ETag is
that of another bucket, as under KMS keys, and each object is the replica of the others of its key: their version IDs are
the same. Copies and other writes are taken and forgotten.
"""

import re
import threading
import urllib.parse
import zlib
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

FOLDERS, INNER = 50, 20
# What people and phones call things: spaces, accents in one and in two characters, other scripts, emoji, and what URLs, XML,
# shells and form encoding take for something else. In the order of their bytes, which is that of their characters.
NAMES = ["100% + 1 & more = #1?", "<\"x\" & 'y'>", "a b  c", "e\u0301te\u0301 2026", "photo (1) @home; [x]~", "über/naïve café",
         "Ελλάδα", "Пётр", "שלום", "हिन्दी", "写真/東京", "사진", "🏥🚑 👩‍⚕️"]


def unicode_key(n, count):
    """The n-th of so many keys, in the order of their bytes."""
    name, index = divmod(n, -(-count // len(NAMES)))
    return f"{NAMES[name]}/{index:08d} {NAMES[index % len(NAMES)].replace('/', '-')}.bin"


assert NAMES == sorted(NAMES)


class Keys:
    """The keys of one bucket, in order, without holding them."""

    def __init__(self, layout, count, name):
        self.layout, self.count, self.changed = layout, count, name.endswith("-changed")
        self.own = zlib.crc32(name.encode())
        self.keyed = self.own << 64 if "-keyed" in name else 0
        self.per_folder = -(-count // (FOLDERS * INNER)) if layout == "nested" else count

    def key(self, n):
        if self.layout == "unicode":
            return unicode_key(n, self.count)
        if self.layout == "flat":
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

    def etag(self, n):
        return n + self.keyed + (1 << 64 if self.changed and n % 100 == 0 else 0)

    def version(self, n):
        """Another one in each bucket, but of replicas."""
        return f"{0 if self.keyed else self.own:010d}{n:022d}"

    def number(self, key):
        """The object of a key; None when there is none."""
        n = self.first_after(key) - 1
        return n if n >= 0 and self.key(n) == key else None

    def numbers(self, after, limit):
        """The first object of a page, and the first behind it."""
        first = self.first_after(after) if after else 0
        return first, min(first + limit, self.count)

    def versions(self, after, limit):
        first, last = self.numbers(after, limit)
        objects = "".join(
            f"<Version><Key>{urllib.parse.quote(self.key(n))}</Key><VersionId>{self.version(n)}</VersionId><IsLatest>true</IsLatest>"
            f"<LastModified>2026-11-22T18:57:19.000Z</LastModified><ETag>&quot;{self.etag(n):032x}&quot;</ETag>"
            f"<Size>{4096 + n % 7}</Size><StorageClass>STANDARD</StorageClass></Version>"
            for n in range(first, last))
        more = f"<NextKeyMarker>{urllib.parse.quote(self.key(last - 1))}</NextKeyMarker>" if last < self.count else ""
        return (f'<?xml version="1.0" encoding="UTF-8"?><ListVersionsResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/">'
                f"<IsTruncated>{str(bool(more)).lower()}</IsTruncated>{more}{objects}</ListVersionsResult>").encode()

    def page(self, after, limit):
        first, last = self.numbers(after, limit)
        objects = "".join(
            f"<Contents><Key>{urllib.parse.quote(self.key(n))}</Key><LastModified>2026-11-22T18:57:19.000Z</LastModified>"
            f"<ETag>&quot;{self.etag(n):032x}&quot;</ETag><Size>{4096 + n % 7}</Size><StorageClass>STANDARD</StorageClass></Contents>"
            for n in range(first, last))
        truncated = "true" if last < self.count else "false"
        return (f'<?xml version="1.0" encoding="UTF-8"?><ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/">'
                f"<IsTruncated>{truncated}</IsTruncated>{objects}</ListBucketResult>").encode()


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = 1 << 20

    def log_message(self, *_):
        pass

    def answer(self, body, status=200, headers=None):
        self.send_response(status)
        headers = {"content-length": len(body), "content-type": "application/xml", **(headers or {})}
        for name, value in headers.items():
            self.send_header(name, str(value))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def keys(self):
        """The bucket's keys, and the key that is asked for."""
        path = urllib.parse.unquote(urllib.parse.urlsplit(self.path).path)
        match = re.match(r"/(flat|nested|unicode)-(\d+)([^/]*)/?(.*)", path, re.DOTALL)
        if match is None:
            return None, ""
        return Keys(match[1], int(match[2]), match[3]), match[4]

    def do_HEAD(self):
        keys, key = self.keys()
        if keys is None or not key:
            return self.answer(b"", 200 if keys else 404)
        n = keys.number(key)
        if n is None:
            return self.answer(b"", 404)
        self.answer(b"", headers={"content-length": 4096 + n % 7, "etag": f'"{keys.etag(n):032x}"',
                                  "last-modified": "Sun, 22 Nov 2026 18:57:19 GMT", "x-amz-version-id": keys.version(n)})

    def do_PUT(self):
        self.rfile.read(int(self.headers.get("content-length", 0)))
        keys, key = self.keys()
        n = keys and keys.number(key)
        if self.headers.get("x-amz-copy-source") is None or n is None:
            return self.answer(b"", headers={"etag": f'"{0:032x}"', "x-amz-version-id": "v"})
        self.answer(f'<CopyObjectResult><LastModified>2026-11-22T18:57:19.000Z</LastModified>'
                    f"<ETag>&quot;{n:032x}&quot;</ETag></CopyObjectResult>".encode(),
                    headers={"x-amz-version-id": f"w{n}"})

    def do_GET(self):
        url = urllib.parse.urlsplit(self.path)
        query = urllib.parse.parse_qs(url.query, keep_blank_values=True)
        keys, _ = self.keys()
        if "versioning" in query:
            return self.answer(b"<VersioningConfiguration><Status>Enabled</Status></VersioningConfiguration>")
        if keys is not None and "versions" in query:
            after, limit = query.get("key-marker", [""])[0], int(query.get("max-keys", ["1000"])[0])
            return self.answer(keys.versions(after, limit))
        if keys is None or "list-type" not in query:
            return self.answer(b"<Error><Code>NotImplemented</Code></Error>", 501)
        if query.get("prefix", [""])[0]:
            # Journals of earlier runs, of which there are none.
            return self.answer(b"<ListBucketResult><IsTruncated>false</IsTruncated></ListBucketResult>")
        after = query.get("start-after", [""])[0]
        limit = int(query.get("max-keys", ["1000"])[0])
        self.answer(keys.page(after, limit))


class Server(ThreadingHTTPServer):
    daemon_threads = True
    # Of more connections at once the system would drop some, and a client would wait for a second.
    request_queue_size = 1024


class Synthetic:
    """Serves on loopback until it is stopped."""

    def __init__(self):
        self.server = Server(("127.0.0.1", 0), Handler)
        self.endpoint = f"http://127.0.0.1:{self.server.server_address[1]}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def stop(self):
        self.server.shutdown()
