import { describeLogContract } from '../../contract/log.ts';
import { embeddedLogHarness } from '../../support/embedded-log-harness.ts';

describeLogContract('embedded', embeddedLogHarness);
