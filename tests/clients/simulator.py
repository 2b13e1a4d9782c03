"""The simulator as a Python test sees it: the program, started on a free port, and its control routes."""

import http.client
import json
import os
import subprocess
import tempfile
import urllib.request

import requests

TOKEN = "sl.stub-full"
APP_KEY = "testkey"
APP_SECRET = "testsecret"


class Simulator:
    """A running `cloud-sim dropbox`."""

    def __init__(self, *options):
        self.data = tempfile.TemporaryDirectory(prefix="cloud-sim-")
        program = [os.environ["CLOUD_SIM"], "dropbox", "--listen", "127.0.0.1:0", "--data", self.data.name]
        self.process = subprocess.Popen([*program, *options], stdout=subprocess.PIPE, text=True)
        line = self.process.stdout.readline()
        assert line.startswith("listening on "), f"the simulator did not start: {line!r}"
        self.url = line.split()[-1]
        self.control("longpoll/jitter", seconds=0)

    def control(self, what, **fields):
        """One of the simulator's own routes."""
        answer = self._request("POST", "/_sim/" + what, json.dumps(fields))
        return json.loads(answer)

    def log(self):
        """The requests so far."""
        return json.loads(self._request("GET", "/_sim/log"))

    def count(self, route):
        """How many requests went to a route."""
        return sum(record["route"] == route for record in self.log())

    def _request(self, method, path, body=None):
        host = self.url.split("//")[1]
        if self.url.startswith("https"):
            import ssl

            context = ssl.create_default_context(cafile=self.certificate)
            connection = http.client.HTTPSConnection(host, timeout=60, context=context)
        else:
            connection = http.client.HTTPConnection(host, timeout=60)
        connection.request(method, path, body)
        response = connection.getresponse()
        text = response.read().decode()
        connection.close()
        assert response.status == 200, f"{path}: {response.status} {text}"
        return text

    @property
    def certificate(self):
        """The authority that signs for every Dropbox host."""
        return os.path.join(self.data.name, "ca.pem")

    def close(self):
        self.process.terminate()
        self.process.wait(timeout=10)
        self.process.stdout.close()
        self.data.cleanup()


class Redirected(requests.Session):
    """A session that asks the simulator whatever host it is told."""

    def __init__(self, simulator):
        super().__init__()
        self.simulator = simulator

    def request(self, method, url, *arguments, **options):
        path = url.split("://", 1)[1].split("/", 1)[1]
        return super().request(method, f"{self.simulator.url}/{path}", *arguments, **options)


def follow_sign_in(url):
    """What a browser does with the sign-in address: the address that it is sent back to, or the page."""

    class Stay(urllib.request.HTTPRedirectHandler):
        def redirect_request(self, *_arguments):
            return None

    try:
        with urllib.request.build_opener(Stay).open(url, timeout=60) as page:
            return page.read().decode()
    except urllib.error.HTTPError as answer:
        assert answer.code == 302, f"{answer.code} {answer.read().decode()}"
        return answer.headers["Location"]
