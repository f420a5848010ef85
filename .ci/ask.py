"""Prints the status of /livez on a port of the loopback, asked under a host name; fails when nobody answers."""

import http.client
import sys

connection = http.client.HTTPConnection("127.0.0.1", int(sys.argv[1]), timeout=2)
try:
    connection.request("GET", "/livez", headers={"Host": sys.argv[2], "X-Forwarded-Proto": "https"})
    sys.stdout.write(str(connection.getresponse().status))
except OSError:
    sys.exit(1)
