"""The official Python SDK against the simulator."""

import datetime
import threading
import unittest
import urllib.parse

import dropbox
from dropbox import common, exceptions, files, oauth

from simulator import APP_KEY, TOKEN, Redirected, Simulator, follow_sign_in

BLOCK = 4 * 1024 * 1024


class PythonSdk(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.sim = Simulator("--auto-approve")
        cls.addClassCleanup(cls.sim.close)

    def setUp(self):
        self.sim.control("faults/clear")
        self.dbx = self.client(oauth2_access_token=TOKEN)
        self.folder = f"/{self._testMethodName}"

    def client(self, **options):
        return dropbox.Dropbox(session=Redirected(self.sim), timeout=100, **options)

    def path(self, name):
        return f"{self.folder}/{name}"

    def upload(self, name, content=b"x", **options):
        return self.dbx.files_upload(content, self.path(name), **options)

    def raises(self, call, *arguments, **options):
        with self.assertRaises(exceptions.ApiError) as caught:
            call(*arguments, **options)
        return caught.exception.error

    # Signing in

    def sign_in(self, **options):
        flow = oauth.DropboxOAuth2FlowNoRedirect(APP_KEY, use_pkce=True, token_access_type="offline", **options)
        flow.requests_session = Redirected(self.sim)
        address = flow.start().replace("https://www.dropbox.com", self.sim.url)
        page = follow_sign_in(address)
        code = page.split('<code id="code">')[1].split("<")[0]
        return flow, code

    def test_signs_in_with_pkce_and_refreshes(self):
        flow, code = self.sign_in()
        granted = flow.finish(code)
        self.assertTrue(granted.access_token.startswith("sl."))
        self.assertEqual(len(granted.account_id), 40)
        self.assertIn("files.content.write", granted.scope)
        dbx = self.client(oauth2_refresh_token=granted.refresh_token, app_key=APP_KEY)
        self.assertEqual(dbx.users_get_current_account().account_id, granted.account_id)
        self.sim.control("tokens/expire")
        self.assertEqual(dbx.check_user("still here").result, "still here")
        with self.assertRaises(Exception, msg="a code is good once") as caught:
            flow.finish(code)
        self.assertIn("400", str(caught.exception))

    def test_signs_in_with_a_redirect_and_a_state(self):
        session = {}
        flow = oauth.DropboxOAuth2Flow(
            APP_KEY, "http://localhost:53682/", session, "csrf", use_pkce=True, token_access_type="offline"
        )
        flow.requests_session = Redirected(self.sim)
        address = flow.start("own state").replace("https://www.dropbox.com", self.sim.url)
        back = urllib.parse.urlsplit(follow_sign_in(address))
        granted = flow.finish(dict(urllib.parse.parse_qsl(back.query)))
        self.assertEqual(granted.url_state, "own state")
        self.assertTrue(granted.refresh_token)

    def test_a_refusal_at_the_page_is_an_error_of_its_own(self):
        session = {}
        flow = oauth.DropboxOAuth2Flow(APP_KEY, "http://localhost:53682/", session, "csrf", use_pkce=True)
        flow.requests_session = Redirected(self.sim)
        self.sim.control("consent", consent="deny")
        try:
            back = urllib.parse.urlsplit(
                follow_sign_in(flow.start().replace("https://www.dropbox.com", self.sim.url))
            )
        finally:
            self.sim.control("consent", consent="approve")
        with self.assertRaises(oauth.NotApprovedException):
            flow.finish(dict(urllib.parse.parse_qsl(back.query)))

    def test_revoking_ends_the_token_and_its_refresh(self):
        flow, code = self.sign_in()
        granted = flow.finish(code)
        dbx = self.client(oauth2_access_token=granted.access_token)
        dbx.auth_token_revoke()
        with self.assertRaises(exceptions.AuthError) as caught:
            dbx.users_get_current_account()
        self.assertTrue(caught.exception.error.is_invalid_access_token())
        again = self.client(oauth2_refresh_token=granted.refresh_token, app_key=APP_KEY)
        with self.assertRaises(exceptions.AuthError):
            again.users_get_current_account()

    def test_a_narrow_scope_is_told_from_a_bad_token(self):
        flow, code = self.sign_in(scope=["account_info.read", "files.metadata.read"])
        dbx = self.client(oauth2_access_token=flow.finish(code).access_token)
        dbx.files_list_folder("")
        with self.assertRaises(exceptions.AuthError) as caught:
            dbx.files_upload(b"", "/not allowed")
        self.assertEqual(caught.exception.error.get_missing_scope().required_scope, "files.content.write")

    def test_a_text_that_is_no_token_is_bad_input(self):
        with self.assertRaises(exceptions.BadInputError):
            self.client(oauth2_access_token="nonsense").users_get_current_account()

    # The account

    def test_account_and_space(self):
        account = self.dbx.users_get_current_account()
        self.assertEqual(account.name.display_name, "Stub User")
        self.assertEqual(account.root_info.root_namespace_id, account.root_info.home_namespace_id)
        before = self.dbx.users_get_space_usage()
        self.upload("space", b"12345")
        after = self.dbx.users_get_space_usage()
        self.assertEqual(after.used - before.used, 5)
        self.assertTrue(after.allocation.is_individual())
        rooted = self.dbx.with_path_root(common.PathRoot.root(account.root_info.root_namespace_id))
        rooted.files_get_metadata(self.path("space"))
        with self.assertRaises(exceptions.PathRootError) as caught:
            self.dbx.with_path_root(common.PathRoot.root("1")).files_list_folder("")
        self.assertTrue(caught.exception.error.is_invalid_root())

    # Listing

    def changes(self, cursor):
        """Everything since a cursor, in pages of the size that the listing had."""
        entries = []
        while True:
            page = self.dbx.files_list_folder_continue(cursor)
            entries += page.entries
            cursor = page.cursor
            if not page.has_more:
                return entries

    def test_lists_in_pages_and_sees_changes(self):
        for number in range(7):
            self.upload(f"{number}.json")
        self.upload("deep/er/file")
        page = self.dbx.files_list_folder(self.folder, recursive=True, limit=3)
        names = [entry.name for entry in page.entries]
        while page.has_more:
            page = self.dbx.files_list_folder_continue(page.cursor)
            names += [entry.name for entry in page.entries]
        self.assertEqual(len(names), len(set(names)))
        self.assertIn(self.folder[1:], names, "a recursive listing holds the folder itself")
        cursor = page.cursor
        self.dbx.files_move_v2(self.path("deep"), self.path("moved"))
        self.dbx.files_delete_v2(self.path("0.json"))
        changes = self.changes(cursor)
        seen = [(type(entry).__name__, entry.path_display[len(self.folder) :]) for entry in changes]
        self.assertCountEqual(
            seen,
            [
                ("DeletedMetadata", "/deep"),
                ("DeletedMetadata", "/deep/er"),
                ("DeletedMetadata", "/deep/er/file"),
                ("FolderMetadata", "/moved"),
                ("FolderMetadata", "/moved/er"),
                ("FileMetadata", "/moved/er/file"),
                ("DeletedMetadata", "/0.json"),
            ],
        )
        self.assertEqual(len(self.changes(cursor)), len(changes), "a cursor can be used again")

    def test_a_long_poll_ends_with_a_change(self):
        self.upload("first")
        cursor = self.dbx.files_list_folder_get_latest_cursor(self.folder, recursive=True).cursor
        results = []
        waiter = threading.Thread(
            target=lambda: results.append(self.client(oauth2_access_token=TOKEN).files_list_folder_longpoll(cursor))
        )
        waiter.start()
        self.sim.control("web/write", path=self.path("from the website"), text="hello")
        waiter.join(25)
        self.assertTrue(results and results[0].changes)
        self.assertEqual(self.dbx.files_list_folder_continue(cursor).entries[0].name, "from the website")

    def test_a_reset_cursor_and_a_wrong_one(self):
        self.upload("x")
        cursor = self.dbx.files_list_folder_get_latest_cursor(self.folder).cursor
        self.sim.control("cursors/reset")
        self.assertTrue(self.raises(self.dbx.files_list_folder_continue, cursor).is_reset())
        self.assertTrue(self.raises(self.dbx.files_list_folder_longpoll, cursor).is_reset())
        with self.assertRaises(exceptions.BadInputError):
            self.dbx.files_list_folder_continue("AAgarbage")

    def test_the_watched_folder_is_deleted(self):
        self.upload("x")
        cursor = self.dbx.files_list_folder_get_latest_cursor(self.folder).cursor
        self.dbx.files_delete_v2(self.folder)
        self.assertTrue(self.raises(self.dbx.files_list_folder_continue, cursor).get_path().is_not_found())
        self.assertTrue(self.raises(self.dbx.files_list_folder, self.folder).get_path().is_not_found())

    # Contents

    def test_downloads_whole_ranged_by_id_and_by_revision(self):
        first = self.upload("Ünïcode 🎵.wav", b"0123456789")
        metadata, response = self.dbx.files_download(first.path_display)
        self.assertEqual((metadata.name, response.content), ("Ünïcode 🎵.wav", b"0123456789"))
        second = self.upload("ünïcode 🎵.WAV", b"other", mode=files.WriteMode.overwrite)
        self.assertEqual((second.id, second.name), (first.id, first.name))
        self.assertEqual(self.dbx.files_download(first.id)[1].content, b"other")
        self.assertEqual(self.dbx.files_download(f"rev:{first.rev}")[1].content, b"0123456789")
        headers = {
            "Authorization": f"Bearer {TOKEN}",
            "Dropbox-API-Arg": f'{{"path":"rev:{first.rev}"}}',
            "Range": "bytes=2-4",
        }
        part = Redirected(self.sim).post("https://content.dropboxapi.com/2/files/download", headers=headers)
        self.assertEqual((part.status_code, part.content), (206, b"234"))
        self.assertEqual(part.headers["Content-Range"], "bytes 2-4/10")
        link = self.dbx.files_get_temporary_link(first.id).link
        self.assertTrue(link.startswith(self.sim.url))
        self.assertEqual(Redirected(self.sim).get(link, headers={"Range": "bytes=-2"}).content, b"er")
        self.assertTrue(self.raises(self.dbx.files_download, self.folder).get_path().is_not_file())

    # Uploads

    def test_conflict_modes(self):
        first = self.upload("a.txt", b"one")
        same = self.upload("a.txt", b"one")
        self.assertEqual(same.rev, first.rev, "the same content is no change")
        error = self.raises(self.upload, "a.txt", b"two")
        self.assertTrue(error.get_path().reason.get_conflict().is_file())
        renamed = self.upload("a.txt", b"two", autorename=True)
        self.assertEqual(renamed.name, "a (1).txt")
        self.assertNotEqual(renamed.id, first.id)
        second = self.upload("a.txt", b"three", mode=files.WriteMode.update(first.rev))
        self.assertEqual(second.id, first.id)
        stale = files.WriteMode.update(first.rev)
        self.assertTrue(self.raises(self.upload, "a.txt", b"four", mode=stale).get_path().reason.is_conflict())
        copy = self.upload("a.txt", b"four", mode=stale, autorename=True)
        self.assertEqual(copy.name, "a (Stub User's conflicted copy).txt")
        self.assertEqual(self.upload("a.txt", b"three", mode=stale).rev, second.rev)
        strict = self.raises(self.upload, "a.txt", b"three", mode=stale, strict_conflict=True)
        self.assertTrue(strict.get_path().reason.is_conflict())
        below = self.raises(self.upload, "a.txt/below", b"")
        self.assertTrue(below.get_path().reason.get_conflict().is_file_ancestor())

    def test_times_are_kept(self):
        when = datetime.datetime(2001, 2, 3, 4, 5, 6)
        self.assertEqual(self.upload("old", client_modified=when).client_modified.replace(tzinfo=None), when)
        moved = self.dbx.files_move_v2(self.path("old"), self.path("moved")).metadata
        self.assertEqual(moved.client_modified.replace(tzinfo=None), when)

    def test_a_session_in_order_with_a_lost_answer(self):
        start = self.dbx.files_upload_session_start(b"abc")
        cursor = files.UploadSessionCursor(start.session_id, 3)
        self.dbx.files_upload_session_append_v2(b"def", cursor)
        error = self.raises(self.dbx.files_upload_session_append_v2, b"def", cursor)
        self.assertEqual(error.get_incorrect_offset().correct_offset, 6)
        cursor.offset = 6
        done = self.dbx.files_upload_session_finish(b"ghi", cursor, files.CommitInfo(self.path("session")))
        self.assertEqual(done.size, 9)
        self.assertEqual(self.dbx.files_download(done.id)[1].content, b"abcdefghi")
        gone = self.raises(
            self.dbx.files_upload_session_finish, b"", cursor, files.CommitInfo(self.path("twice"))
        )
        self.assertTrue(gone.get_lookup_failed().is_not_found())

    def test_a_concurrent_session(self):
        kind = files.UploadSessionType.concurrent
        session = self.dbx.files_upload_session_start(b"", session_type=kind).session_id
        parts = [bytes([part]) * BLOCK for part in range(2)] + [b"tail"]
        for index in (1, 0):
            cursor = files.UploadSessionCursor(session, index * BLOCK)
            self.dbx.files_upload_session_append_v2(parts[index], cursor)
        cursor = files.UploadSessionCursor(session, 2 * BLOCK)
        odd = files.UploadSessionCursor(session, 5)
        error = self.raises(self.dbx.files_upload_session_append_v2, b"x", odd)
        self.assertTrue(error.is_concurrent_session_invalid_offset())
        end = files.UploadSessionCursor(session, 2 * BLOCK + 4)
        commit = files.CommitInfo(self.path("concurrent"))
        error = self.raises(self.dbx.files_upload_session_finish, b"", end, commit)
        self.assertTrue(error.is_concurrent_session_not_closed())
        self.dbx.files_upload_session_append_v2(parts[2], cursor, close=True)
        done = self.dbx.files_upload_session_finish(b"", end, commit)
        self.assertEqual(self.dbx.files_download(done.id)[1].content, b"".join(parts))

    def test_a_batch_of_small_files(self):
        entries = []
        for number in range(5):
            start = self.dbx.files_upload_session_start(f"{number}".encode(), close=True)
            cursor = files.UploadSessionCursor(start.session_id, 1)
            entries.append(files.UploadSessionFinishArg(cursor, files.CommitInfo(self.path(f"{number}"))))
        open_session = self.dbx.files_upload_session_start(b"open").session_id
        cursor = files.UploadSessionCursor(open_session, 4)
        entries.append(files.UploadSessionFinishArg(cursor, files.CommitInfo(self.path("open"))))
        results = self.dbx.files_upload_session_finish_batch_v2(entries).entries
        self.assertEqual([result.is_success() for result in results], [True] * 5 + [False])
        self.assertTrue(results[5].get_failure().get_lookup_failed().is_not_closed())
        self.assertEqual(results[3].get_success().name, "3")

    def test_a_full_account(self):
        used = self.dbx.users_get_space_usage().used
        self.sim.control("quota", bytes=used + 3)
        try:
            error = self.raises(self.upload, "too big", b"12345")
        finally:
            self.sim.control("quota", bytes=1 << 40)
        self.assertTrue(error.get_path().reason.is_insufficient_space())
        kept = files.UploadSessionCursor(error.get_path().upload_session_id, 5)
        done = self.dbx.files_upload_session_finish(b"", kept, files.CommitInfo(self.path("too big")))
        self.assertEqual(done.size, 5, "the bytes were kept in a session")

    def test_names_that_are_refused(self):
        for name in ("a\\b", "x" * 256, "trailing "):
            self.assertTrue(self.raises(self.upload, name).get_path().reason.is_malformed_path(), name)
        self.assertTrue(self.raises(self.upload, ".DS_Store").get_path().reason.is_disallowed_name())

    # Folders, moves, copies, deletions

    def test_moves_copies_and_deletes(self):
        first = self.upload("from/a", b"1")
        copied = self.dbx.files_copy_v2(self.path("from/a"), self.path("copy")).metadata
        self.assertNotEqual(copied.id, first.id)
        self.assertEqual(copied.content_hash, first.content_hash)
        self.dbx.files_move_v2(self.path("from"), self.path("to"))
        moved = self.dbx.files_get_metadata(self.path("to/a"))
        self.assertEqual(moved.id, first.id)
        self.assertNotEqual(moved.rev, first.rev)
        error = self.raises(self.dbx.files_move_v2, self.path("copy"), self.path("to/a"))
        self.assertTrue(error.get_to().get_conflict().is_file())
        error = self.raises(self.dbx.files_move_v2, self.path("to"), self.path("to/below"))
        self.assertTrue(error.is_cant_move_folder_into_itself())
        error = self.raises(self.dbx.files_move_v2, self.path("nothing"), self.path("x"))
        self.assertTrue(error.get_from_lookup().is_not_found())
        error = self.raises(self.dbx.files_delete_v2, self.path("to/a"), parent_rev=first.rev)
        self.assertTrue(error.get_path_write().get_conflict().is_file())
        deleted = self.dbx.files_delete_v2(self.path("to/a"), parent_rev=moved.rev).metadata
        self.assertEqual(deleted.rev, moved.rev)
        error = self.raises(self.dbx.files_create_folder_v2, self.path("to"))
        self.assertTrue(error.get_path().get_conflict().is_folder())

    def test_jobs_are_in_progress_before_they_are_complete(self):
        self.upload("a")
        self.upload("b")
        launch = self.dbx.files_move_batch_v2(
            [
                files.RelocationPath(self.path("a"), self.path("c")),
                files.RelocationPath(self.path("zz"), self.path("d")),
            ]
        )
        job = launch.get_async_job_id()
        self.assertTrue(self.dbx.files_move_batch_check_v2(job).is_in_progress())
        entries = self.dbx.files_move_batch_check_v2(job).get_complete().entries
        self.assertEqual(entries[0].get_success().name, "c")
        self.assertTrue(entries[1].get_failure().get_relocation_error().get_from_lookup().is_not_found())
        launch = self.dbx.files_delete_batch([files.DeleteArg(self.path("b")), files.DeleteArg(self.path("none"))])
        job = launch.get_async_job_id()
        self.assertTrue(self.dbx.files_delete_batch_check(job).is_in_progress())
        entries = self.dbx.files_delete_batch_check(job).get_complete().entries
        self.assertEqual(entries[0].get_success().metadata.name, "b")
        self.assertTrue(entries[1].get_failure().get_path_lookup().is_not_found())
        made = self.dbx.files_create_folder_batch([self.path("f1"), self.path("f2")]).get_complete().entries
        self.assertEqual(made[1].get_success().metadata.name, "f2")
        error = self.raises(self.dbx.files_delete_batch_check, "dbjid:AAunknown")
        self.assertTrue(error.is_invalid_async_job_id())

    def test_revisions_and_restoring(self):
        first = self.upload("song", b"1")
        self.upload("song", b"2", mode=files.WriteMode.overwrite)
        self.dbx.files_delete_v2(self.path("song"))
        revisions = self.dbx.files_list_revisions(self.path("song"))
        self.assertTrue(revisions.is_deleted)
        self.assertEqual([entry.size for entry in revisions.entries], [1, 1])
        restored = self.dbx.files_restore(self.path("song"), first.rev)
        self.assertEqual(restored.id, first.id)
        self.assertNotEqual(restored.rev, first.rev)
        self.assertEqual(self.dbx.files_download(restored.id)[1].content, b"1")
        error = self.raises(self.dbx.files_restore, self.path("song"), "0123456789")
        self.assertTrue(error.is_invalid_revision())

    # When things go wrong

    def test_rate_limits_and_server_errors_are_waited_out(self):
        self.sim.control("faults", route="files/upload", fault="429(1)")
        self.upload("a")
        self.sim.control("faults", route="files/get_metadata", fault="429-text(1)")
        self.dbx.files_get_metadata(self.path("a"))
        self.sim.control("faults", route="files/get_metadata", fault="503", times=2)
        self.dbx.files_get_metadata(self.path("a"))
        quick = self.client(oauth2_access_token=TOKEN, max_retries_on_error=0)
        self.sim.control("faults", route="files/get_metadata", fault="500")
        with self.assertRaises(exceptions.InternalServerError):
            quick.files_get_metadata(self.path("a"))

    def test_a_broken_body_is_not_taken_for_a_whole_one(self):
        self.upload("long", b"x" * 100_000)
        self.sim.control("faults", route="files/download", fault="truncate(1000)")
        with self.assertRaises(Exception):
            _, response = self.dbx.files_download(self.path("long"))
            assert len(response.content) == 100_000


if __name__ == "__main__":
    unittest.main(verbosity=2)
