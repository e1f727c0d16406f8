// The pages are served by PLOG itself, GraphiQL at /graphql and the permissions at /apply, their assets under /web/; nothing comes
// from another host.
import { defineConfig } from 'vite';

export default defineConfig({
  base: '/web/',
  build: {
    outDir: 'dist',
    emptyOutDir: true,
    rollupOptions: { input: { graphiql: 'graphiql.html', apply: 'apply.html' } },
    // The editor's workers and languages are large by nature, and served from next door.
    chunkSizeWarningLimit: 8000,
  },
  worker: { format: 'es' },
});
