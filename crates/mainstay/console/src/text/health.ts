// Health in words: always with its reason and its age, and never by colour alone.

import type { Health, InstanceView, Node, Word } from '../types';
import { span } from './format';

export function said(word: Word): string {
  return word === 'not-measured' ? 'not measured' : word;
}

/** `failing for 3 min: exited with code 1`. */
export function sentence(health: Health, now: number): string {
  const age = `${said(health.word)} for ${span(now - health.since)}`;
  return health.word === 'ok' ? age : `${age}: ${health.reason}`;
}

/** The word that an instance's phase amounts to; it chooses the sign and the colour. */
export function phaseWord(phase: string): Word {
  switch (phase) {
    case 'ready':
    case 'running':
      return 'ok';
    case 'starting':
    case 'waiting':
    case 'draining':
    case 'stopping':
      return 'held';
    case 'unready':
    case 'back-off':
    case 'crash-loop':
    case 'failed':
    case 'exited':
      return 'failing';
    default:
      return 'not-measured';
  }
}

export function ready(instance: InstanceView): boolean {
  return phaseWord(instance.phase) === 'ok';
}

/** `2 of 2 ready`; empty for what has no instances here. */
export function readiness(node: Node): string {
  if (node.wanted === 0 && node.instances.length === 0) return '';
  return `${node.instances.filter(ready).length} of ${node.wanted} ready`;
}
