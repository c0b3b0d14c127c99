// What the pages do beyond links and forms: they stay fresh while somebody
// looks, relative times go on, and `/` leads to the search. Without this they
// say the same.
'use strict';

(() => {
  const UNITS = [[86400, 'd', 2], [3600, 'h', 1], [60, 'min', 1]];
  // The server's clock counts, not the visitor's.
  let ahead = Date.now() / 1000 - Number(document.querySelector('main').dataset.now);

  const rough = seconds => {
    for (const [size, name, least] of UNITS) {
      if (seconds >= size * least) return `${Math.round(seconds / size)} ${name}`;
    }
    return `${Math.round(seconds)} s`;
  };

  const ago = seconds => {
    if (Math.abs(seconds) < 1) return 'now';
    return seconds > 0 ? `${rough(seconds)} ago` : `in ${rough(-seconds)}`;
  };

  const tick = () => {
    const now = Date.now() / 1000 - ahead;
    for (const time of document.querySelectorAll('time[data-at]')) {
      const told = time.querySelector('.rel');
      const text = ago(now - Number(time.dataset.at));
      if (told && told.textContent !== text) told.textContent = text;
    }
  };

  // Whoever types, chooses, has opened or selected something is left alone.
  const isBusy = main => {
    const here = document.activeElement;
    return document.hidden
      || (main.contains(here) && here !== main)
      || main.querySelector('details[open]') !== null
      || String(document.getSelection()) !== '';
  };

  const refresh = async () => {
    const main = document.querySelector('main');
    if (isBusy(main)) return;
    const answer = await fetch(location.href, { headers: { Accept: 'text/html' } });
    if (!answer.ok || answer.redirected) return;
    const page = new DOMParser().parseFromString(await answer.text(), 'text/html');
    const fresh = page.querySelector('main');
    if (fresh === null || isBusy(main)) return;
    ahead = Date.now() / 1000 - Number(fresh.dataset.now);
    main.replaceWith(document.adoptNode(fresh));
    const foot = page.querySelector('footer');
    if (foot) document.querySelector('footer').replaceWith(document.adoptNode(foot));
    tick();
  };

  const keepFresh = () => {
    const main = document.querySelector('main');
    const seconds = Number(main.dataset.refresh);
    if (!seconds) return;
    // A server that does not answer is asked again, and nothing is said.
    setTimeout(() => refresh().catch(() => {}).then(keepFresh), seconds * 1000);
  };

  document.addEventListener('keydown', event => {
    const inField = /^(INPUT|SELECT|TEXTAREA)$/.test(event.target.tagName);
    if (event.key !== '/' || inField || event.ctrlKey || event.metaKey || event.altKey) return;
    const field = document.querySelector('[data-key="/"]');
    if (field === null) return;
    event.preventDefault();
    field.focus();
    field.select();
  });

  setInterval(tick, 1000);
  keepFresh();
})();
