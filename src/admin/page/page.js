// SPDX-License-Identifier: MIT
// Replaces the parts of the page that the relay says have changed. The texts in them were escaped by
// the relay; the page's policy runs no script but this one.
(function () {
  'use strict';
  const RETRY_MS = 10000; // after a refusal; after a broken connection the browser tries by itself
  const STALE_MS = 5000; // the relay speaks once a second, with many outboxes every 3 s
  const live = document.getElementById('live');
  const held = new Map(); // parts that wait because somebody has marked text in them
  let heard = Date.now();
  let refused = false;

  function say(text, tone) {
    if (live.textContent !== text) live.textContent = text;
    live.className = tone;
    document.body.classList.toggle('stale', tone === 'bad');
  }

  function marked(element) {
    const selection = document.getSelection();
    return selection.rangeCount > 0 && !selection.isCollapsed && selection.containsNode(element, true);
  }

  function put(id, html) {
    const element = document.getElementById(id);
    if (!element) return;
    if (marked(element)) {
      held.set(id, html);
    } else {
      held.delete(id);
      element.innerHTML = html;
    }
  }

  function arrange(layout) {
    const main = document.getElementById('outboxes');
    layout.split(',').forEach(function (entry, i) {
      const [id, tone] = entry.split(' ');
      const card = document.getElementById(id);
      if (!card) return;
      card.className = 'card ' + tone;
      if (main.children[i] !== card) main.insertBefore(card, main.children[i]);
    });
  }

  function listen() {
    const source = new EventSource('events');
    source.onmessage = function (event) {
      const news = JSON.parse(event.data);
      if (news.run !== document.body.dataset.run) { // another process, perhaps with other outboxes
        source.close();
        location.reload();
        return;
      }
      heard = Date.now();
      if (news.layout) arrange(news.layout);
      for (const id in news.parts) put(id, news.parts[id]);
      for (const [id, html] of held) put(id, html);
      say('live', 'ok');
    };
    source.onerror = function () {
      if (source.readyState !== EventSource.CLOSED) return;
      refused = true; // too many listen, or something in between does not let events through
      renew();
    };
  }

  // As without a script, but never away from the last numbers there are.
  function renew() {
    setTimeout(function () {
      fetch(location.pathname).then(function (answer) {
        if (answer.ok) location.reload();
        else renew();
      }, renew);
    }, RETRY_MS);
  }

  setInterval(function () {
    const silent = Date.now() - heard;
    if (refused && silent < 2 * RETRY_MS) say('renewed every 10 s', '');
    else if (silent > STALE_MS) say('no news for ' + Math.round(silent / 1000) + ' s', 'bad');
  }, 1000);
  say('connecting', '');
  listen();
})();
