import { afterEach, beforeEach, expect, test } from '@jest/globals';
import kafkajs from 'kafkajs';
import type { AssignedPartition, Assignment } from '../../../src/broker/broker.ts';
import { groupAssignment } from '../../../src/broker/kafka/group-assignment.ts';
import { systemClock } from '../../../src/lib/clock.ts';
import {
  API,
  CODE,
  type ScriptedKafka,
  codeOf,
  coordinatorOf,
  joinedOf,
  startScriptedKafka,
  syncedOf,
} from '../../support/scripted-kafka.ts';

const TOPIC = 'raw';
const SHARE = kafkajs.AssignerProtocol.MemberAssignment.encode({
  version: 0,
  assignment: { [TOPIC]: [0, 1] },
  userData: Buffer.alloc(0),
});

let kafka: ScriptedKafka;
let stop: AbortController;
let member: Assignment;
beforeEach(async () => {
  kafka = await startScriptedKafka();
  stop = new AbortController();
  kafka.script[API.findCoordinator] = { version: 1, answer: () => coordinatorOf(kafka) };
  kafka.script[API.joinGroup] = { version: 5, answer: () => joinedOf('m', 1) };
  kafka.script[API.syncGroup] = { version: 0, answer: () => syncedOf(SHARE) };
  kafka.script[API.heartbeat] = { version: 0, answer: () => codeOf(0) };
  kafka.script[API.leaveGroup] = { version: 0, answer: () => codeOf(0) };
  const client = { brokers: [kafka.address], clientId: 'test' };
  member = groupAssignment({ clock: systemClock, client, group: 'workers', heartbeatMs: 20 });
});
afterEach(() => kafka.stop());

function join(): { readonly first: Promise<readonly AssignedPartition[]>; readonly left: Promise<void> } {
  const { promise: first, resolve } = Promise.withResolvers<readonly AssignedPartition[]>();
  const left = member.join([{ topic: TOPIC, partitions: 2 }], resolve, stop.signal);
  left.catch(() => undefined);
  return { first, left };
}

test.each(['joinGroup', 'syncGroup'] as const)(
  'who asks whether it holds is answered although %s fails',
  async (name) => {
    const { first, left } = join();
    expect(await first).toHaveLength(2);
    let failures = 0;
    const well = kafka.script[API[name]]!;
    kafka.script[API.heartbeat] = {
      version: 0,
      answer: () => codeOf(failures === 0 ? CODE.rebalancing : 0),
    };
    kafka.script[API[name]] = {
      ...well,
      answer: (...request) => {
        if (failures++ > 0) return well.answer(...request);
        return name === 'joinGroup' ? joinedOf('m', 1, CODE.rebalancing) : syncedOf(Buffer.alloc(0), CODE.rebalancing);
      },
    };
    await member.confirm(AbortSignal.timeout(10_000)).then(() => stop.abort());
    expect(failures).toBeGreaterThan(1);
    await left;
  },
  9_000,
);

test('a new member that must not wait for the others leaves under the name that it got', async () => {
  let isNamed = false;
  kafka.script[API.joinGroup] = {
    version: 5,
    answer: () => {
      if (isNamed) {
        setImmediate(() => stop.abort());
        return 'silence';
      }
      isNamed = true;
      return joinedOf('new-1', -1, CODE.memberIdRequired);
    },
  };
  const left: (string | null)[] = [];
  kafka.script[API.leaveGroup] = {
    version: 0,
    answer: (request) => {
      left.push(request.readString(), request.readString());
      return codeOf(0);
    },
  };
  await join().left;
  expect(left).toEqual(['workers', 'new-1']);
});

test('who is stopped while it looks for the coordinator does not join', async () => {
  kafka.script[API.findCoordinator] = {
    version: 1,
    answer: () => {
      stop.abort();
      return coordinatorOf(kafka);
    },
  };
  await join().left;
  expect(kafka.asked).not.toContain(API.joinGroup);
});
