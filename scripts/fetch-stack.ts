// Downloads the servers that the tests start, so that no test's time limit pays for it.
import { elasticsearchHome } from '../test/support/stack/elasticsearch.ts';
import { kafkaJars } from '../test/support/stack/kafka.ts';

console.log(`Kafka: ${await kafkaJars()}`);
console.log(`Elasticsearch: ${await elasticsearchHome()}`);
