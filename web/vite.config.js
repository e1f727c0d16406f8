// The page is served at /graphql, its assets under /graphiql/; nothing comes from another host.
import { defineConfig } from 'vite';

export default defineConfig({
  base: '/graphiql/',
  build: {
    outDir: 'dist',
    emptyOutDir: true,
    // The editor's workers and languages are large by nature, and served from next door.
    chunkSizeWarningLimit: 8000,
  },
  worker: { format: 'es' },
});
