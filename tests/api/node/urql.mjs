// node urql.mjs URL TOKEN QUERY SUBSCRIPTION COUNT: urql with nothing but fetch; prints the query's and COUNT results' data.
import { Client, fetchExchange, gql } from '@urql/core';

const [url, token, query, subscription, count] = process.argv.slice(2);
const client = new Client({
  url,
  exchanges: [fetchExchange],
  preferGetMethod: false,
  fetchSubscriptions: true,
  fetchOptions: { headers: { authorization: `Bearer ${token}` } },
});
const say = ({ data, error }) => console.log(JSON.stringify({ data, error: error?.message }));

say(await client.query(gql(query), {}).toPromise());
let results = 0;
const { unsubscribe } = client.subscription(gql(subscription), {}).subscribe((result) => {
  say(result);
  if (++results >= Number(count)) unsubscribe();
});
