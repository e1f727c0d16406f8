// GraphiQL, told by the server which operations to show and whose token to fill in.
import 'graphiql/setup-workers/vite';
import 'graphiql/style.css';
import './graphiql.css';

import { createGraphiQLFetcher } from '@graphiql/toolkit';
import { GraphiQL } from 'graphiql';
import { createElement } from 'react';
import { createRoot } from 'react-dom/client';

const place = document.getElementById('graphiql');
const KEPT_TABS = 'graphiql:tabState';
const OFFERED = 'plog:offered';

/** Header names know no case, so what the user typed replaces the default of the same name. */
function headersOf(defaults, typed = {}) {
  const names = new Set(Object.keys(typed).map((name) => name.toLowerCase()));
  const kept = Object.entries(defaults).filter(([name]) => !names.has(name.toLowerCase()));
  return { ...Object.fromEntries(kept), ...typed };
}

/** The websocket's address, on the page's own host unless the server names another. */
function socketUrl(path) {
  const url = new URL(path, window.location.href);
  url.protocol = url.protocol.replace('http', 'ws');
  return url.href;
}

/** {endpoint, subscriptions, headers, notice, tabs: [{query, variables}]}; see app/graphiql.py. */
async function loadConfig() {
  const response = await fetch('/graphiql/config.json', { cache: 'no-store' });
  if (!response.ok) throw new Error(`The server answered ${response.status} to GET /graphiql/config.json`);
  return response.json();
}

/** The name of an operation, by which its tab is known. */
function nameOf(query) {
  return /^(?:query|mutation|subscription) (\w+)/m.exec(query)?.[1];
}

/**
 * GraphiQL keeps its tabs from visit to visit. Those that are as they were offered become what is offered today, as the server
 * may have ids for them by now; those that somebody has changed stay.
 */
function renewKeptTabs(offered) {
  const before = JSON.parse(localStorage.getItem(OFFERED) ?? '[]');
  localStorage.setItem(OFFERED, JSON.stringify(offered));
  const kept = JSON.parse(localStorage.getItem(KEPT_TABS) ?? 'null');
  if (!kept) return;
  const tabs = kept.tabs.map((tab) => {
    const isUnchanged = before.some((each) => each.query === tab.query && (each.variables ?? '') === (tab.variables ?? ''));
    const today = isUnchanged && offered.find((each) => nameOf(each.query) === nameOf(tab.query));
    return today ? { ...tab, query: today.query, variables: today.variables } : tab;
  });
  localStorage.setItem(KEPT_TABS, JSON.stringify({ ...kept, tabs }));
  // The editors begin with texts kept by themselves, and where these are no tab's another one is opened for them.
  const open = tabs[kept.activeTabIndex];
  localStorage.setItem('graphiql:query', open?.query ?? '');
  localStorage.setItem('graphiql:variables', open?.variables ?? '');
}

async function start() {
  const { endpoint, subscriptions, headers, notice, tabs } = await loadConfig();
  document.getElementById('notice').textContent = notice;
  const fetcher = createGraphiQLFetcher({
    url: endpoint,
    subscriptionUrl: socketUrl(subscriptions),
    enableIncrementalDelivery: false,
  });
  const offered = tabs.map(({ query, variables }) => ({
    query,
    variables: variables && Object.keys(variables).length ? JSON.stringify(variables, null, 2) : null,
  }));
  renewKeptTabs(offered);
  const shownHeaders = Object.keys(headers).length ? JSON.stringify(headers, null, 2) : '';
  createRoot(place).render(
    createElement(GraphiQL, {
      // Tabs kept from an earlier visit have no headers (they are not stored), so the defaults go with every request.
      fetcher: (parameters, options) => fetcher(parameters, { ...options, headers: headersOf(headers, options?.headers) }),
      defaultTabs: offered.map((each) => ({ ...each, headers: shownHeaders })),
      defaultHeaders: shownHeaders,
      initialHeaders: shownHeaders,
      defaultEditorToolsVisibility: 'variables',
      inputValueDeprecation: true,
      schemaDescription: true,
    }),
  );
}

start().catch((error) => {
  place.textContent = `GraphiQL could not start: ${error.message}`;
});
