// Builds the page into dist/. `--check` builds in memory and fails if dist/ is out of date. `--watch`
// builds again after each change.

import { build, context } from 'esbuild';
import { copyFile, mkdir, readFile } from 'node:fs/promises';

const OPTIONS = {
  entryPoints: { app: 'src/main.tsx', solver: 'src/solver/main.ts' },
  outdir: 'dist',
  bundle: true,
  format: 'esm',
  target: ['es2022', 'chrome105', 'firefox110', 'safari16'],
  jsx: 'automatic',
  jsxImportSource: 'preact',
  minify: true,
  legalComments: 'none',
  charset: 'utf8',
  logLevel: 'warning',
};

if (process.argv.includes('--check')) await check();
else if (process.argv.includes('--watch')) await (await context(OPTIONS)).watch();
else await build(OPTIONS);

if (!process.argv.includes('--check')) {
  await mkdir('dist', { recursive: true });
  await copyFile('src/index.html', 'dist/index.html');
}

async function check() {
  const { outputFiles } = await build({ ...OPTIONS, write: false });
  const wanted = outputFiles.map((file) => [file.path, Buffer.from(file.contents)]);
  wanted.push(['dist/index.html', await readFile('src/index.html')]);
  for (const [path, contents] of wanted) {
    const built = await readFile(path).catch(() => null);
    if (built?.equals(contents)) continue;
    console.error(`${path} does not match the sources: run "npm run build" and commit dist/`);
    process.exitCode = 1;
  }
}
