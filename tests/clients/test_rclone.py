"""rclone's Dropbox backend against the simulator, by TLS and through a proxy: its hosts cannot be changed."""

import hashlib
import json
import os
import subprocess
import tempfile
import unittest
from urllib.parse import parse_qs, urlsplit

import requests

from proxy import Proxy
from simulator import APP_KEY, APP_SECRET, TOKEN, Simulator

MIB = 1024 * 1024


class Rclone(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.sim = Simulator("--tls", "--auto-approve")
        cls.addClassCleanup(cls.sim.close)
        host, port = cls.sim.url.split("//")[1].split(":")
        cls.proxy = Proxy((host, int(port)))
        cls.addClassCleanup(cls.proxy.server_close)
        cls.addClassCleanup(cls.proxy.shutdown)
        folder = tempfile.TemporaryDirectory(prefix="rclone-")
        cls.addClassCleanup(folder.cleanup)
        cls.folder = folder.name
        cls.config = os.path.join(cls.folder, "rclone.conf")
        cls.configure({"access_token": TOKEN, "token_type": "bearer", "expiry": "2099-01-01T00:00:00Z"})

    @classmethod
    def configure(cls, token):
        with open(cls.config, "w", encoding="utf-8") as config:
            config.write(
                f"[sim]\ntype = dropbox\nclient_id = {APP_KEY}\nclient_secret = {APP_SECRET}\n"
                f"token = {json.dumps(token)}\n"
            )

    def setUp(self):
        self.sim.control("faults/clear")
        self.remote = f"sim:{self._testMethodName}"

    def rclone(self, *arguments, status=0):
        environment = {
            "PATH": os.environ["PATH"],
            "HOME": self.folder,
            "HTTPS_PROXY": self.proxy.url,
            "SSL_CERT_FILE": self.sim.certificate,
        }
        command = [os.environ["RCLONE"], "--config", self.config, "--ca-cert", self.sim.certificate]
        command += ["--low-level-retries", "4", "--retries", "1", *arguments]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120, check=False)
        self.assertEqual(done.returncode, status, f"rclone {' '.join(arguments)}\n{done.stdout}{done.stderr}")
        return done.stdout

    def local(self, name, content):
        path = os.path.join(self.folder, self._testMethodName, name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "wb") as file:
            file.write(content)
        return path

    def test_copies_a_tree_there_and_back_and_finds_it_equal(self):
        names = ["one.txt", "Ünïcode 🎵.txt", "sub/two.json", "sub/deeper/empty"]
        for number, name in enumerate(names):
            self.local(name, name.encode() * number)
        source = os.path.join(self.folder, self._testMethodName)
        self.rclone("copy", source, self.remote)
        listed = self.rclone("lsf", "-R", "--files-only", self.remote).splitlines()
        self.assertCountEqual(listed, names)
        self.rclone("check", source, self.remote)
        back = os.path.join(self.folder, "back")
        self.rclone("copy", self.remote, back)
        self.rclone("check", back, self.remote, "--download")

    def test_large_files_go_in_sessions(self):
        content = hashlib.sha256(b"seed").digest() * (10 * MIB // 32) + b"odd tail"
        path = self.local("large.wav", content)
        self.rclone("copyto", path, f"{self.remote}/large.wav", "--dropbox-chunk-size", "4Mi")
        self.assertGreater(self.sim.count("files/upload_session/append_v2"), 1)
        end = self.rclone("cat", f"{self.remote}/large.wav", "--offset", str(len(content) - 8))
        self.assertEqual(end, "odd tail")
        self.rclone("check", os.path.dirname(path), self.remote, "--download")

    def test_many_small_files_are_committed_in_batches(self):
        for number in range(40):
            self.local(f"{number:02}.json", b"%d" % number)
        before = self.sim.count("files/upload_session/finish_batch_v2")
        source = os.path.join(self.folder, self._testMethodName)
        self.rclone("copy", source, self.remote, "--transfers", "8", "--dropbox-batch-mode", "sync")
        self.assertGreater(self.sim.count("files/upload_session/finish_batch_v2"), before)
        self.rclone("check", source, self.remote)

    def test_moves_copies_and_deletes_on_the_server(self):
        self.rclone("copyto", self.local("a", b"content"), f"{self.remote}/a")
        self.rclone("moveto", f"{self.remote}/a", f"{self.remote}/b")
        self.rclone("copyto", f"{self.remote}/b", f"{self.remote}/sub/c")
        self.rclone("mkdir", f"{self.remote}/empty")
        self.assertCountEqual(self.rclone("lsf", "-R", self.remote).splitlines(), ["b", "sub/", "sub/c", "empty/"])
        self.rclone("rmdir", f"{self.remote}/sub", status=1)
        self.rclone("deletefile", f"{self.remote}/b")
        self.rclone("purge", f"{self.remote}/sub")
        self.assertEqual(self.rclone("lsf", "-R", self.remote).splitlines(), ["empty/"])

    def test_overwrites_and_leaves_equal_files_alone(self):
        path = self.local("song.txt", b"first")
        self.rclone("copyto", path, f"{self.remote}/song.txt")
        self.local("song.txt", b"second, longer")
        self.rclone("copyto", path, f"{self.remote}/song.txt")
        self.assertEqual(self.rclone("cat", f"{self.remote}/song.txt"), "second, longer")
        before = len(self.sim.log())
        self.rclone("copyto", path, f"{self.remote}/song.txt")
        later = [record["route"] for record in self.sim.log()[before:]]
        self.assertFalse([route for route in later if "upload" in route], later)

    def test_names_that_the_service_refuses_come_back_as_they_were(self):
        source = os.path.join(self.folder, self._testMethodName)
        for name in ("back\\slash", "trailing ", "a:b*c?"):
            self.local(name, name.encode())
        self.rclone("copy", source, self.remote)
        self.assertCountEqual(self.rclone("lsf", self.remote).splitlines(), os.listdir(source))

    def test_hashes_and_space(self):
        path = self.local("a", b"Hello Dropbox!")
        self.rclone("copyto", path, f"{self.remote}/a")
        listed = self.rclone("hashsum", "dropbox", self.remote)
        self.assertIn("16dff8700700b9aa627e24bbf832940c084b41ade5c5d6fe5417963a547ed9c2", listed)
        about = json.loads(self.rclone("about", "sim:", "--json"))
        self.assertGreater(about["total"], about["used"])

    def test_waits_out_limits_and_server_errors(self):
        self.sim.control("faults", route="files/upload_session/start", fault="429(1)")
        self.rclone("copyto", self.local("a", b"content"), f"{self.remote}/a")
        # A server error is no reason for it to repeat the call, only the whole command.
        self.sim.control("faults", route="files/list_folder", fault="500")
        back = os.path.join(self.folder, "after-an-error")
        self.rclone("copy", self.remote, back, "--retries", "2")
        with open(os.path.join(back, "a"), encoding="utf-8") as file:
            self.assertEqual(file.read(), "content")
        self.assertEqual([r["route"] for r in self.sim.log() if r["fault"]], ["files/upload_session/start", "files/list_folder"])

    def test_refreshes_a_token_that_has_run_out(self):
        back = "http://localhost:53682/"
        asked = {"client_id": APP_KEY, "response_type": "code", "redirect_uri": back, "token_access_type": "offline"}
        session = requests.Session()
        session.verify = self.sim.certificate
        session.trust_env = False
        page = session.get(f"{self.sim.url}/oauth2/authorize", params=asked, allow_redirects=False)
        code = parse_qs(urlsplit(page.headers["Location"]).query)["code"][0]
        form = {"grant_type": "authorization_code", "code": code, "redirect_uri": back}
        granted = session.post(f"{self.sim.url}/oauth2/token", data=form, auth=(APP_KEY, APP_SECRET)).json()
        session.close()
        before = self.sim.count("oauth2/token")
        self.configure(
            {
                "access_token": granted["access_token"],
                "refresh_token": granted["refresh_token"],
                "token_type": "bearer",
                "expiry": "2001-01-01T00:00:00Z",
            }
        )
        try:
            self.rclone("lsf", "sim:")
        finally:
            type(self).configure({"access_token": TOKEN, "token_type": "bearer", "expiry": "2099-01-01T00:00:00Z"})
        self.assertEqual(self.sim.count("oauth2/token"), before + 1)


if __name__ == "__main__":
    unittest.main(verbosity=2)
