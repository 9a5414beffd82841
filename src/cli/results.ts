import type { Config } from '../config/config.ts';
import type { DataDir } from '../config/data-dir.ts';

export async function showResults(_config: Config, _dataDir: DataDir, _isJson: boolean): Promise<number> {
  return Promise.resolve(0);
}
