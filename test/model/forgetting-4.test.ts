import './mocks.js';
import { testSequences } from './sequences.js';

testSequences(3);
