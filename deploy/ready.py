"""Exit code 0 when the service in this container is ready; prints what it said of its dependencies."""

import http.client
import sys

# Below the timeout of the health check, above the 2 s that the service gives its own checks.
TIMEOUT_S = 3.5

connection = http.client.HTTPConnection("127.0.0.1", 8080, timeout=TIMEOUT_S)
try:
    connection.request("GET", "/readyz")
    answer = connection.getresponse()
    sys.stdout.write(answer.read().decode())
except OSError as error:
    sys.exit(f"no answer: {error}")
sys.exit(answer.status != http.HTTPStatus.OK)
