// One tab at a time. The Web Locks API does it where there is one, which is on secure pages only; elsewhere a lease in
// localStorage does it nearly as well: a tab that dies loses the lease when it runs out.

const LEASE = 20_000;
const pause = (ms) => new Promise((done) => setTimeout(done, ms));

async function takeLease(key) {
  const mine = `${Math.random()}`;
  for (;;) {
    const [until = 0] = (localStorage.getItem(key) ?? "").split(" ").map(Number);
    if (until < Date.now() || until > Date.now() + LEASE) {
      localStorage.setItem(key, `${Date.now() + LEASE} ${mine}`);
      await pause(30 + Math.random() * 40); // Two tabs may both have seen it free; the last to write has it.
      if (localStorage.getItem(key)?.endsWith(` ${mine}`)) return mine;
    }
    await pause(100);
  }
}

async function withLease(key, work) {
  const mine = await takeLease(key);
  try {
    return await work();
  } finally {
    if (localStorage.getItem(key)?.endsWith(` ${mine}`)) localStorage.removeItem(key);
  }
}

function storageWorks() {
  try {
    localStorage.setItem("fairboard.probe", "1");
    localStorage.removeItem("fairboard.probe");
    return true;
  } catch {
    return false;
  }
}

/** Run `work` while no other tab runs work of that name; answers what it answers. */
export function exclusively(name, work) {
  if (navigator.locks) return navigator.locks.request(name, work);
  return storageWorks() ? withLease(`${name}.lease`, work) : work(); // No storage: tabs share no session either.
}
