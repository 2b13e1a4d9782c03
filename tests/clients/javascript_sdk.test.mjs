// The official JavaScript SDK against the simulator.

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { createRequire } from 'node:module';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, beforeEach, test } from 'node:test';

const { Dropbox, DropboxAuth } = createRequire(join(process.env.CLIENTS, 'package.json'))('dropbox');

const TOKEN = 'sl.stub-full';
const BLOCK = 4 * 1024 * 1024;
let simulator;
let url;
let data;
let dbx;

before(async () => {
  data = mkdtempSync(join(tmpdir(), 'cloud-sim-'));
  const options = ['dropbox', '--listen', '127.0.0.1:0', '--data', data, '--auto-approve'];
  simulator = spawn(process.env.CLOUD_SIM, options, { stdio: ['ignore', 'pipe', 'inherit'] });
  url = await new Promise((resolve) => {
    simulator.stdout.once('data', (line) => resolve(line.toString().trim().split(' ').pop()));
  });
  await control('longpoll/jitter', { seconds: 0 });
});

after(() => {
  simulator.kill();
  rmSync(data, { recursive: true, force: true });
});

beforeEach(async () => {
  await control('faults/clear');
  dbx = new Dropbox({ accessToken: TOKEN, fetch: redirected });
});

async function control(what, fields = {}) {
  const answer = await fetch(`${url}/_sim/${what}`, { method: 'POST', body: JSON.stringify(fields) });
  assert.equal(answer.status, 200, await answer.clone().text());
  return answer.json();
}

// Asks the simulator whatever host it is told.
async function redirected(address, options) {
  const { pathname, search } = new URL(address);
  const response = await fetch(url + pathname + search, { ...options, duplex: 'half' });
  response.buffer = async () => Buffer.from(await response.arrayBuffer());
  return response;
}

async function refused(promise) {
  const error = await promise.then(() => assert.fail('it worked'), (reason) => reason);
  assert.ok(error.status, String(error));
  return error;
}

const upload = (path, contents, options = {}) => dbx.filesUpload({ path, contents, ...options });

test('signs in with PKCE and refreshes', async () => {
  const auth = new DropboxAuth({ clientId: 'testkey', fetch: redirected });
  const back = 'http://localhost:53682/';
  const scopes = ['account_info.read', 'files.metadata.read', 'files.content.read', 'files.content.write'];
  const address = new URL(await auth.getAuthenticationUrl(back, 'own state', 'code', 'offline', scopes, 'none', true));
  const page = await fetch(url + address.pathname + address.search, { redirect: 'manual' });
  assert.equal(page.status, 302);
  const returned = new URL(page.headers.get('location'));
  assert.equal(returned.searchParams.get('state'), 'own state');
  const code = returned.searchParams.get('code');
  const { result } = await auth.getAccessTokenFromCode(back, code);
  assert.equal(result.token_type, 'bearer');
  assert.ok(result.refresh_token);
  auth.setAccessToken(result.access_token);
  auth.setRefreshToken(result.refresh_token);
  auth.setAccessTokenExpiresAt(new Date(Date.now() - 1000));
  const signedIn = new Dropbox({ auth, fetch: redirected });
  const account = await signedIn.usersGetCurrentAccount();
  assert.equal(account.result.account_id, result.account_id);
  assert.notEqual(auth.getAccessToken(), result.access_token);
  const again = await refused(auth.getAccessTokenFromCode(back, code));
  assert.equal(again.error.error, 'invalid_grant');
});

test('lists, sees changes and waits for them', async () => {
  for (const number of [1, 2, 3]) await upload(`/js list/${number}`, 'x');
  let page = (await dbx.filesListFolder({ path: '/js list', limit: 2 })).result;
  const names = page.entries.map((entry) => entry.name);
  while (page.has_more) {
    page = (await dbx.filesListFolderContinue({ cursor: page.cursor })).result;
    names.push(...page.entries.map((entry) => entry.name));
  }
  assert.deepEqual(names.sort(), ['1', '2', '3']);
  const poll = new Dropbox({ fetch: redirected }).filesListFolderLongpoll({ cursor: page.cursor, timeout: 30 });
  await control('web/delete', { path: '/js list/2' });
  assert.equal((await poll).result.changes, true);
  const { entries } = (await dbx.filesListFolderContinue({ cursor: page.cursor })).result;
  assert.deepEqual(entries.map((entry) => [entry['.tag'], entry.name, entry.id]), [['deleted', '2', undefined]]);
  await control('cursors/reset');
  const reset = await refused(dbx.filesListFolderContinue({ cursor: page.cursor }));
  assert.equal(reset.error.error['.tag'], 'reset');
});

test('uploads, downloads, moves, deletes and restores', async () => {
  const first = (await upload('/js/Ünïcode 🎵.wav', 'first')).result;
  assert.equal(first.name, 'Ünïcode 🎵.wav');
  const conflict = await refused(upload(first.path_display, 'second'));
  assert.equal(conflict.status, 409);
  assert.equal(conflict.error.error.reason.conflict['.tag'], 'file');
  const mode = { '.tag': 'update', update: first.rev };
  const second = (await upload(first.path_display, 'second', { mode })).result;
  assert.equal(second.id, first.id);
  const whole = (await dbx.filesDownload({ path: second.id })).result;
  assert.equal(whole.fileBinary.toString(), 'second');
  const earlier = (await dbx.filesDownload({ path: `rev:${first.rev}` })).result;
  assert.equal(earlier.fileBinary.toString(), 'first');
  await dbx.filesMoveV2({ from_path: '/js', to_path: '/js moved' });
  const moved = (await dbx.filesGetMetadata({ path: '/js moved/ünïcode 🎵.WAV' })).result;
  assert.equal(moved.id, first.id);
  await dbx.filesDeleteV2({ path: moved.path_display });
  assert.equal((await refused(dbx.filesGetMetadata({ path: moved.path_lower }))).error.error.path['.tag'], 'not_found');
  const restored = (await dbx.filesRestore({ path: moved.path_display, rev: moved.rev })).result;
  assert.equal(restored.id, first.id);
});

test('uploads by session', async () => {
  const contents = Buffer.alloc(BLOCK + 3, 'abcdefg');
  const start = (await dbx.filesUploadSessionStart({ contents: contents.subarray(0, BLOCK), close: false })).result;
  const cursor = { session_id: start.session_id, offset: 5 };
  const wrong = await refused(dbx.filesUploadSessionAppendV2({ cursor, contents: 'x' }));
  assert.equal(wrong.error.error.correct_offset, BLOCK);
  cursor.offset = BLOCK;
  const commit = { path: '/js session', mode: 'add' };
  const contentsOfEnd = contents.subarray(BLOCK);
  const done = (await dbx.filesUploadSessionFinish({ cursor, commit, contents: contentsOfEnd })).result;
  assert.equal(done.size, contents.length);
  const whole = (await dbx.filesDownload({ path: done.id })).result;
  assert.ok(contents.equals(whole.fileBinary));
});

test('errors are what they are', async () => {
  await control('faults', { route: 'users/get_current_account', fault: '429(7)' });
  const limited = await refused(dbx.usersGetCurrentAccount());
  assert.deepEqual([limited.status, limited.error.error.retry_after, limited.headers.get('retry-after')], [429, 7, '7']);
  await control('faults', { route: 'users/get_current_account', fault: '500' });
  assert.equal((await refused(dbx.usersGetCurrentAccount())).status, 500);
  const bad = await refused(dbx.filesListFolder({ path: '/' }));
  assert.equal(bad.status, 400);
  assert.match(String(bad.error), /Specify the root folder as an empty string/);
  const stranger = new Dropbox({ accessToken: 'sl.unknown', fetch: redirected });
  const unknown = await refused(stranger.usersGetCurrentAccount());
  assert.equal(unknown.error.error['.tag'], 'invalid_access_token');
});
