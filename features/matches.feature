Feature: Matches

  Rule: Fans find every match, and see which ones are on sale

    Background:
      Given these matches:
        | home     | starts               | status |
        | Late     | 2030-07-01T05:00:00Z | OPEN   |
        | Early    | 2030-05-01T05:00:00Z | OPEN   |
        | Past     | 2030-04-01T05:00:00Z | CLOSED |
        | Soon     | 2030-06-01T05:00:00Z | DRAFT  |
      And Jun is a visitor

    Scenario: All of them, the soonest first
      When Jun looks at the list of matches
      Then Jun sees these home teams, in this order:
        | Past  |
        | Early |
        | Soon  |
        | Late  |

    Scenario: Only those on sale
      When Jun looks at the matches that are OPEN
      Then Jun sees these home teams, in this order:
        | Early |
        | Late  |

    Scenario: Only those that will be on sale
      When Jun looks at the matches that are DRAFT
      Then Jun sees these home teams, in this order:
        | Soon |

    Scenario: Page by page
      When Jun leafs through the list of matches, 2 on a page
      Then Jun sees these home teams, in this order:
        | Past  |
        | Early |
        | Soon  |
        | Late  |

  Rule: A match says what a fan wants to know

    Scenario: One match
      Given a match is on sale
      And Jun is a visitor
      When Jun looks at the match
      Then Jun sees "LG Twins" against "Doosan Bears" at "Test Ground", 25 seats, OPEN

    Scenario: How many seats are left, and how many one may have
      Given a match is on sale
      And Mina is logged in
      When Mina holds seats 3 and 4
      Then the list of matches says within seconds that 23 seats are left
      And a person may have 4 seats of the match, and hold them for 5 minutes

    Scenario: A draft has no seats to be had
      Given a match is still a draft
      Then the match does not say how many seats are left

    Scenario: A match that never was
      Then nobody finds a match that never was

  Rule: Seats are held only while the match is on sale

    Scenario: A draft is not on sale yet
      Given a match is still a draft
      And Ada is the administrator
      And Mina is logged in
      When Mina tries to hold seat 1
      Then Mina is refused with MATCH_NOT_OPEN
      When Ada opens the sale
      And Mina holds seat 1
      Then seat 1 is HOLD on the map

    Scenario: A closed match takes no new buyers
      Given a match is on sale
      And Ada is the administrator
      And Mina is logged in
      When Ada closes the sale
      Then the match is CLOSED
      When Mina tries to hold seat 1
      Then Mina is refused with MATCH_NOT_OPEN

    Scenario: Who held seats before the sale closed may still buy them
      Given a match is on sale
      And Ada is the administrator
      And Mina is logged in
      And Mina holds seat 1
      When Ada closes the sale
      And Mina reserves them
      And Mina pays for them
      Then seat 1 is OCCUPIED on the map
      And Mina's reservation is in the books: CONFIRMED, seat 1, 10,000 won
